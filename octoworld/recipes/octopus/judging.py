"""Judging: a judge is taught by labelled programs, calibrated in homes held back, and tested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from octoworld.core.early_stop import Check
from octoworld.core.fit import fit
from octoworld.core.io import read_json, write_json
from octoworld.core.rng import derive_seed, torch_generator
from vla.programmer.tiny import Judge, Seen, TinyProgrammer
from vla.programmer.tiny.judge import UNKNOWN
from worldmodels.reflector.calibrate import platt
from worldmodels.reflector.card import expected_calibration_error

from .after import seen_after
from .config import OctopusConfig
from .judged import AT_ONCE, JudgedEnv
from .labelled import Labelled, labelled_path, load_labelled, training_pool
from .scenes import Scenes, load_scenes

HELD_BACK = 8
"""One home in so many calibrates, and teaches nothing."""
JUDGED = ("sft", "rlef", "rlef-judged")
"""Whose programs a judge is tested on: those that it was taught with, and of later policies."""
JUDGED_IN = "layouts"
"""Test split for that."""
LOOK_EVERY, PATIENCE = 150, 2
"""Steps between looks at the homes held back, and looks without gain that end training."""
HELD, HELD_BLIND = "held back", "held back, blind"
"""Cards on the labelled programs of the homes held back."""
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""Probabilities that are tried as the one from which a judge says success."""


def judge_folder(folder: Path, seed: int, is_blind: bool = False) -> Path:
    """Where a judge is trained."""
    return folder / "judges" / str(seed) / ("blind" if is_blind else "sighted")


def judge_of(folder: Path, seed: int) -> Judge:
    """What `learn_judge` left."""
    return Judge.from_pretrained(judge_folder(folder, seed) / "judge")


def learn_judge(config: OctopusConfig, seed: int, folder: Path, is_blind: bool = False) -> None:
    """A judge that begins as `sft`, and its card on homes held back.

    A blind one, which reads the same words and programs but sees no pictures, is the control.
    """
    place = judge_folder(folder, seed, is_blind)
    if (place / "judge" / "config.json").exists():
        return
    policy = TinyProgrammer.from_pretrained(folder / "learned" / "sft" / str(seed) / "policy")
    pool, labelled = training_pool(config, seed, folder), load_labelled(folder, seed)
    if is_blind:
        pool, labelled = pool.blind(), labelled.blind()
    held = held_back(pool)[labelled.rows]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "octopus", "judge"))
        judge = Judge.of(policy)
    teach(judge, config, pool, labelled.some(~held), place, seed, held=labelled.some(held))
    found = calibrate(judge, pool, labelled.some(held))
    write_json(place / "card.json", {"taught": int((~held).sum()), **found})
    judge.save_pretrained(place / "judge")


def held_back(pool: Scenes) -> torch.Tensor:
    """(S,) bool, scenes of the homes that teach a judge nothing."""
    homes = sorted({i.layout for i in pool.instances})
    held = set(homes[-max(1, len(homes) // HELD_BACK) :])
    return torch.tensor([i.layout in held for i in pool.instances])


def teach(
    judge: Judge,
    config: OctopusConfig,
    pool: Scenes,
    labelled: Labelled,
    folder: Path,
    seed: int,
    held: Labelled | None = None,
) -> None:
    """Half of each batch are pairs, the rest any programs; a killed run in `folder` goes on.

    With `held` it ends where it is most right about those: a judge that knows its programs by heart
    is sure of what it cannot know, and that is what policies learn to fake.
    """
    pairs, half = labelled.pairs(), config.judge.batch_size // 2

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        several = pairs
        if len(pairs):
            several = pairs[torch.randint(len(pairs), (half // 2,), generator=generator)]
        drawn = torch.randint(
            len(labelled), (config.judge.batch_size - 2 * len(several),), generator=generator
        )
        at = torch.cat([several.flatten(), drawn])
        different, owner = labelled.rows[at].unique(return_inverse=True)
        before, tokens = Seen.of(pool.obs(different)), labelled.tokens[at]
        length = max(1, int((tokens >= 0).sum(1).max()))
        after = seen_after(Seen.of(before.columns(), owner), [labelled.after[i] for i in at])
        verdict = judge(before, tokens[:, :length], after, owner)
        return judge.loss(
            verdict, labelled.success[at], labelled.progress[at], labelled.right[at, :length],
            torch.arange(2 * len(several)).reshape(-1, 2),
        )  # fmt: skip

    def score() -> dict[str, float]:
        assert held is not None
        chance = torch.from_numpy(opinions_of(judge, pool, held)[0]).clamp(1e-6, 1 - 1e-6)
        return {"score": float(F.binary_cross_entropy(chance, held.success.double()))}

    check = None if held is None else Check(score, every=LOOK_EVERY, patience=PATIENCE)
    fit(judge, loss, config.judge, folder, seed=seed, label="judge", check=check)


# -- what it is worth ------------------------------------------------------------------------------


def calibrate(judge: Judge, pool: Scenes, held: Labelled) -> dict[str, Any]:
    """Slope, bias (Platt, 1999) and threshold (best F1), then the card on the same programs."""
    chance, progress, right = opinions_of(judge, pool, held)
    logits = torch.from_numpy(chance).double().clamp(1e-6, 1 - 1e-6).logit()
    slope, bias = platt(logits, held.success.double(), torch.full((len(held),), 1 / len(held)))
    judge.slope.fill_(slope)
    judge.bias.fill_(bias)
    chance = (slope * logits + bias).sigmoid().numpy()
    success = held.success.numpy()
    scores = np.array([f1(chance >= t, success) for t in THRESHOLDS])
    # of thresholds that are about equally good the middle one is the most robust
    good = np.flatnonzero(scores >= scores.max() - 0.002)
    judge.threshold.fill_(THRESHOLDS[good[len(good) // 2]])
    known = (held.right != UNKNOWN).numpy()
    return {
        **card(chance, success, float(judge.threshold)),
        "steps_auc": auc(right[known], held.right.numpy()[known] == 1),
        "steps": int(known.sum()),
        "progress_error": float(np.abs(progress - held.progress.numpy()).mean()),
        "slope": slope, "bias": bias,
    }  # fmt: skip


@torch.no_grad()
def opinions_of(
    judge: Judge, pool: Scenes, labelled: Labelled
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Probability of success (N,), progress (N,), and of every call having been right (N, L)."""
    found: list[tuple[torch.Tensor, ...]] = []
    for low in range(0, len(labelled), AT_ONCE):
        some = slice(low, low + AT_ONCE)
        before = Seen.of(pool.obs(labelled.rows[some]))
        verdict = judge(before, labelled.tokens[some], seen_after(before, labelled.after[some]))
        found.append(
            (judge.probability(verdict), verdict.progress.sigmoid(), verdict.right.sigmoid())
        )
    chance, progress, right = (torch.cat(c).double().numpy() for c in zip(*found, strict=True))
    return chance, progress, right


def test_judge(config: OctopusConfig, seed: int, folder: Path) -> None:
    """Its card on programs that policies draw in homes never seen; the environment knows better."""
    path = folder / "tested" / "judge" / f"{seed}.json"
    if path.exists():
        return
    judge = judge_of(folder, seed)
    scenes = load_scenes(config, JUDGED_IN, folder)
    rows = torch.arange(min(config.judge_tests, len(scenes)))
    cards: dict[str, Any] = {}
    for arm in JUDGED:
        model = TinyProgrammer.from_pretrained(folder / "learned" / arm / str(seed) / "policy")
        env = JudgedEnv(scenes, 1, judge)
        chance, true = [], []
        for some in rows.split(AT_ONCE):
            tokens = model.write(
                Seen.of(scenes.obs(some)), temperature=1.0,
                generator=torch_generator(seed, "judge", int(some[0])),
            ).tokens  # fmt: skip
            chance += env.opinions(some.tolist(), tokens)[0].tolist()
            true += [o.success for o in env.outcomes(some.tolist(), tokens)]
        cards[arm] = card(np.array(chance), np.array(true), float(judge.threshold))
    labels = read_json(labelled_path(folder, seed).with_suffix(".json"))
    for name, is_blind in ((HELD, False), (HELD_BLIND, True)):
        cards[name] = read_json(judge_folder(folder, seed, is_blind) / "card.json")
    write_json(path, {"labels": labels, **cards})


def card(
    chance: NDArray[np.float64], success: NDArray[np.bool_], threshold: float
) -> dict[str, float]:
    """What probabilities (N,) are worth as a reward, against the truth (N,)."""
    said = chance >= threshold
    return {
        "programs": len(success),
        "success": float(success.mean()),
        "said": float(said.mean()),
        "f1": f1(said, success),
        "auc": auc(chance, success),
        "ece": expected_calibration_error(chance, success),
        # the share that a policy can be rewarded for wrongly: of what is called a success
        "false_share": float((said & ~success).sum() / max(said.sum(), 1)),
        "threshold": threshold,
    }


def f1(said: NDArray[np.bool_], success: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; 0 where nothing was right."""
    return float(2 * (said & success).sum() / max(said.sum() + success.sum(), 1))


def auc(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Chance that one of those labelled scores above one of the others; 0.5 where there are none.

    Ties count half (Mann and Whitney, 1947).
    """
    good, bad = np.sort(score[label]), np.sort(score[~label])
    if not len(good) or not len(bad):
        return 0.5
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / (2 * len(bad)))
