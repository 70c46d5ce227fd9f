"""Learning: imitation, feedback (RLEF) and rejection sampling, each arm once in its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from octoworld.core.fit import FitConfig, fit
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json
from octoworld.core.rng import derive_seed, torch_generator
from octoworld.rl import Evaluate, TrainerConfig, train
from vla.programmer.tiny import Judge, Seen, TinyProgrammer, Written
from vla.programmer.tiny.model import distinct
from vla.programmer.written import PAD

from .arms import ARMS, Arm
from .config import OctopusConfig
from .env import ProgramEnv
from .episodes import line_ends
from .failures import pool_of, retry_pools
from .judged import Hindsight, JudgedEnv, hindsight
from .judging import judge_of
from .labelled import labelled_path
from .scenes import Scenes, load_scenes, perfect_turns
from .seeing import new_policy

AT_ONCE = 64
"""Scenes of a batch of greedy or drawn programs."""


def learn(config: OctopusConfig, name: str, seed: int, folder: Path) -> None:
    """Train an arm from its parent's policy (or from nothing), to `learned/ARM/SEED/policy`."""
    place = folder / "learned" / name / str(seed)
    if (place / "policy" / "config.json").exists():
        return
    arm = ARMS[name]
    model = new_policy(config, seed, folder, matches_feedback=arm.is_retrying)
    if arm.parent:
        parent = folder / "learned" / arm.parent / str(seed) / "policy"
        model.load_state_dict(TinyProgrammer.from_pretrained(parent).state_dict())
    demonstrations = load_scenes(config, "demonstrations-forgetful", folder)
    if arm.teacher == "perfect":
        demonstrations = perfect_turns(demonstrations)
    if arm.is_blind:
        demonstrations = demonstrations.blind()
    rows, tokens = examples(demonstrations, config.max_tokens, arm.only_successes)
    spent: dict[str, float] = {}
    if arm.how == "imitate":
        steps = arm.steps[0] * config.sft.steps + arm.steps[1] * config.longer
        fits = replace(config.sft, steps=steps)
        imitate(model, demonstrations, rows, tokens, fits, place, seed)
        spent = {"gradient_steps": fits.steps, "programs": 0}
    else:
        if arm.is_retrying:
            pool, validation = retry_pools(config, arm.parent, seed, folder)
        else:
            validation = load_scenes(config, "validation", folder)
            pool = pool_of(config, demonstrations, seed, folder)
        if arm.is_blind:
            pool, validation = pool.blind(), validation.blind()
        if arm.is_untold:
            told = model.config.task_words + model.config.state_words
            pool, validation = pool.untold(told), validation.untold(told)
        if arm.how == "reject":
            spent = reject(model, config, pool, (demonstrations, rows, tokens), place, seed)
        else:
            judge = judge_of(folder, seed) if arm.is_judged else None
            spent = reinforce(model, config, arm, pool, validation, place, seed, judge)
            if judge is not None:
                labels = read_json(labelled_path(folder, seed).with_suffix(".json"))
                spent["labels"] = labels["programs"]
    write_json(place / "spent.json", spent)
    model.save_pretrained(place / "policy")


# -- imitation -------------------------------------------------------------------------------------


def examples(
    scenes: Scenes, length: int, only_successes: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (E,) of scenes in which a teacher wrote a program, and its tokens (E, L)."""
    found = [
        (row, turn.tokens)
        for row, turn in enumerate(scenes.turns)
        if turn is not None and (turn.success or not only_successes)
    ]
    rows = torch.tensor([row for row, _ in found])
    return rows, padded([tokens for _, tokens in found], length)


def padded(programs: Sequence[Sequence[int]], length: int) -> torch.Tensor:
    """(E, length) int64."""
    rows = [[*p[:length], *[PAD] * (length - len(p))] for p in programs]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, length)


def imitate(
    model: TinyProgrammer,
    scenes: Scenes,
    rows: torch.Tensor,
    tokens: torch.Tensor,
    config: FitConfig,
    folder: Path,
    seed: int,
    label: str = "sft",
) -> None:
    """Make programs (E, L) of scenes `rows` likely; a killed run in `folder` goes on."""

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        drawn = torch.randint(len(rows), (config.batch_size,), generator=generator)
        wanted = tokens[drawn]
        wanted = wanted[:, : int((wanted >= 0).sum(1).max())]
        log_prob = model.token_log_prob(Seen.of(scenes.obs(rows[drawn])), wanted)
        return {"loss": -log_prob.sum() / (wanted >= 0).sum()}

    fit(model, loss, config, folder, seed=seed, label=label)


# -- feedback --------------------------------------------------------------------------------------


class Branching(torch.nn.Module):
    """A policy whose groups are trees: half of the members branch off a line of the other half."""

    chunk_size = 1

    def __init__(self, model: TinyProgrammer, group_size: int) -> None:
        super().__init__()
        self.model, self.group_size = model, group_size

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing is kept."""

    def act(
        self,
        obs: Mapping[str, torch.Tensor],
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Written:
        """Programs; while exploring, the second half of each group branches off the first."""
        if temperature <= 0:
            return self.model.act(obs, instructions)
        seen, owner = distinct(obs)
        half = self.group_size // 2
        owner = owner.unflatten(0, (-1, self.group_size))[:, :half].flatten()
        trunks = self.model.write(seen, owner, temperature=temperature, generator=generator)
        branches = self.model.write(
            seen, owner, temperature=temperature, generator=generator,
            beginnings=beginnings(trunks.tokens, generator),
        )  # fmt: skip

        def side_by_side(name: str) -> torch.Tensor:
            parts = [getattr(w, name).unflatten(0, (-1, half)) for w in (trunks, branches)]
            return torch.cat(parts, 1).flatten(0, 1)

        actions = side_by_side("actions")
        return Written(actions, actions, side_by_side("log_prob"), side_by_side("chosen"))

    def log_prob(self, *args: Any, **options: Any) -> torch.Tensor:
        """See `TinyProgrammer.log_prob`."""
        return self.model.log_prob(*args, **options)


def beginnings(tokens: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Programs (N, L) up to a line drawn evenly from those after the first, the rest PAD."""
    kept = torch.full_like(tokens, PAD)
    for row, program in enumerate(tokens.tolist()):
        length = sum(token >= 0 for token in program)
        starts = [end + 1 for end in line_ends(program) if end + 1 < length]
        if starts:
            at = starts[int(torch.randint(len(starts), (1,), generator=generator))]
            kept[row, :at] = tokens[row, :at]
    return kept


def reinforce(
    model: TinyProgrammer,
    config: OctopusConfig,
    arm: Arm,
    pool: Scenes,
    validation: Scenes,
    folder: Path,
    seed: int,
    judge: Judge | None = None,
) -> dict[str, float]:
    """Grouped rollouts, a reward, the shared trainer; the best by validation.

    The reward is the environment's, or with `judge` that one's, in validation too.
    """
    settings: TrainerConfig = replace(
        config.rl, start_range=(0, len(pool)),
        estimator="grpo" if arm.how == "grpo" else "loo",
        credit="tree" if arm.how == "tree" else "episode",
    )  # fmt: skip

    def world(scenes: Scenes, count: int) -> ProgramEnv:
        if judge is not None:
            return JudgedEnv(scenes, count, judge)
        return ProgramEnv(scenes, count, is_clean=arm.is_retrying)

    env = world(pool, config.groups * settings.group_size)
    check = Evaluate(
        world(validation, AT_ONCE), range(len(validation)), horizon=1,
        every=config.validate_every, select=True,
    )  # fmt: skip
    hooks = [check, Hindsight(env)] if isinstance(env, JudgedEnv) else [check]
    policy = Branching(model, settings.group_size) if arm.how == "tree" else model
    history = train(env, policy, settings, folder, seed=seed, hooks=hooks, label="rlef")
    outcome = read_json(folder / "outcome.json")
    return {
        "gradient_steps": sum(row.get("rlef/num_updates", 0) for row in history),
        "programs": outcome.get("true_episodes", 0),
        "calls": outcome.get("true_steps", 0),
        "best_iteration": outcome["best_iteration"],
        **hindsight(history),
    }


# -- rejection sampling ----------------------------------------------------------------------------


def reject(
    model: TinyProgrammer,
    config: OctopusConfig,
    pool: Scenes,
    demonstrations: tuple[Scenes, torch.Tensor, torch.Tensor],
    folder: Path,
    seed: int,
) -> dict[str, float]:
    """Rounds of: draw programs, keep those that succeed, imitate them with the good demonstrations.

    As many gradient steps in all as the control that imitates longer.
    """
    steps = max(1, config.longer // config.rounds)
    count = 0
    scenes, _, _ = demonstrations
    good_rows, good_tokens = examples(scenes, config.max_tokens, only_successes=True)
    # the pool begins with the demonstrations, so that rows of theirs are rows of the pool
    rows, tokens = [good_rows], [good_tokens]
    for number in range(config.rounds):
        place = folder / f"round-{number}"
        kept = place / "kept.safetensors"
        if not kept.exists():
            found = drawn_successes(model, config, pool, derive_seed(seed, "reject", number))
            save_tensors(kept, {"rows": found[0], "tokens": found[1]})
        found = load_tensors(kept)
        count += len(pool) * config.samples
        rows.append(found["rows"])
        tokens.append(found["tokens"])
        fits = replace(config.sft, steps=steps)
        imitate(model, pool, torch.cat(rows), torch.cat(tokens), fits, place, seed + number, "rft")
    return {"gradient_steps": steps * config.rounds, "programs": count}


def drawn_successes(
    model: TinyProgrammer, config: OctopusConfig, pool: Scenes, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the pool and tokens of programs drawn there that succeeded, each once."""
    env = ProgramEnv(pool, AT_ONCE * config.samples)
    rows: list[int] = []
    programs: list[list[int]] = []
    for low in range(0, len(pool), AT_ONCE):
        some = torch.arange(low, min(low + AT_ONCE, len(pool)))
        seen, owner = Seen.of(pool.obs(some)), torch.arange(len(some))
        owner = owner.repeat_interleave(config.samples)
        written = model.write(
            seen, owner, temperature=1.0, generator=torch_generator(seed, "reject", low)
        )
        tokens = written.tokens
        found = env.outcomes(some[owner].tolist(), tokens)
        new: set[tuple[int, ...]] = set()
        for row, program, outcome in zip(some[owner].tolist(), tokens.tolist(), found, strict=True):
            if outcome.success and outcome.ok and (row, *program) not in new:
                new.add((row, *program))
                rows.append(row)
                programs.append(program)
    return torch.tensor(rows, dtype=torch.long), padded(programs, config.max_tokens)
