"""Labelled: programs whose outcomes the environment has told, from which a judge learns.

Every one counts against a budget: a learned reward is worth having where such labels are dear.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from octoworld.core.io import load_tensors, save_tensors, write_json
from octoworld.core.rng import torch_generator
from vla.programmer.tiny import Seen, TinyProgrammer
from vla.programmer.tiny.judge import UNKNOWN

from .after import After, Onlooker
from .config import OctopusConfig
from .env import ProgramEnv
from .episodes import Outcome, line_ends
from .failures import pool_of
from .scenes import Scenes, load_scenes

AT_ONCE = 64
"""Scenes of a batch of drawn programs."""


@dataclass(frozen=True)
class Labelled:
    """N programs in scenes of a pool, what was seen after them, and how they came out."""

    rows: torch.Tensor
    """(N,) of the pool."""
    tokens: torch.Tensor
    """(N, L) int64."""
    after: list[After]
    success: torch.Tensor
    """(N,) bool."""
    progress: torch.Tensor
    """(N,) float32."""
    right: torch.Tensor
    """(N, L) int64 at the last token of each call: 1 right, 0 not, else UNKNOWN."""

    def __len__(self) -> int:
        return len(self.rows)

    def pairs(self) -> torch.Tensor:
        """(K, 2) programs of one scene, of which the first succeeded and the second did not."""
        by_scene: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for i, (row, success) in enumerate(zip(self.rows.tolist(), self.success, strict=True)):
            by_scene[row][0 if success else 1].append(i)
        pairs = [(a, b) for good, bad in by_scene.values() for a in good for b in bad]
        return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)

    def blind(self) -> Labelled:
        """The same without anything to see; for a pool that is `blind` too."""
        after = [replace(one, changed=(), features=one.features[:0]) for one in self.after]
        return replace(self, after=after)

    def some(self, kept: torch.Tensor) -> Labelled:
        """Those for which `kept` (N,) bool holds."""
        return Labelled(
            self.rows[kept], self.tokens[kept], [self.after[i] for i in kept.nonzero()[:, 0]],
            self.success[kept], self.progress[kept], self.right[kept],
        )  # fmt: skip


def labelled_path(folder: Path, seed: int) -> Path:
    """Where they are kept."""
    return folder / "judges" / str(seed) / "labelled.safetensors"


def training_pool(config: OctopusConfig, seed: int, folder: Path) -> Scenes:
    """Starts of training by feedback, which are those of a judge."""
    demonstrations = load_scenes(config, "demonstrations-forgetful", folder)
    return pool_of(config, demonstrations, seed, folder)


def collect_labelled(config: OctopusConfig, seed: int, folder: Path) -> None:
    """The teacher's programs and such as `sft` draws, carried out once, up to the budget."""
    path = labelled_path(folder, seed)
    if path.exists():
        return
    model = TinyProgrammer.from_pretrained(folder / "learned" / "sft" / str(seed) / "policy")
    pool = training_pool(config, seed, folder)
    onlooker = Onlooker(model)
    env = ProgramEnv(pool, 1, onlooker=onlooker)
    rows, tokens = programs(config, model, pool, seed)
    found: list[Outcome] = []
    for low in range(0, len(rows), AT_ONCE):
        found += env.outcomes(rows[low : low + AT_ONCE].tolist(), tokens[low : low + AT_ONCE])
    write_json(
        path.with_suffix(".json"),
        {"programs": env.true_episodes, "calls": env.true_steps, "pictures": onlooker.pictures},
    )
    save_tensors(path, columns(rows, tokens, found))


def programs(
    config: OctopusConfig, model: TinyProgrammer, pool: Scenes, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (N,) of the pool and tokens (N, L): a third at most the teacher's, else the policy's.

    Those of a scene lie together, so that they run as one tree.
    """
    order = torch.randperm(len(pool), generator=torch_generator(seed, "labelled"))
    taught = [r for r in order.tolist() if (t := pool.turns[r]) is not None and t.tokens]
    found: list[tuple[int, list[int]]] = []
    for row in taught[: config.labelled // 3]:
        turn = pool.turns[row]
        assert turn is not None
        found.append((row, [*turn.tokens, *[-1] * (config.max_tokens - len(turn.tokens))]))
    # scenes with a teacher's program come first: there the two can be compared
    taught_rows = [row for row, _ in found]
    drawn = [*taught_rows[::2], *(r for r in order.tolist() if r not in set(taught_rows))]
    for low in range(0, len(drawn), AT_ONCE):
        if len(found) >= config.labelled:
            break
        some = torch.tensor(drawn[low : low + AT_ONCE])
        owner = torch.arange(len(some)).repeat_interleave(config.judge_samples)
        written = model.write(
            Seen.of(pool.obs(some)), owner, temperature=1.0,
            generator=torch_generator(seed, "labelled", low),
        )  # fmt: skip
        found += zip(some[owner].tolist(), written.tokens.tolist(), strict=True)
    # each once: a label of what is known is no label
    kept = sorted({(row, tuple(program)) for row, program in found[: config.labelled]})
    rows = torch.tensor([row for row, _ in kept])
    return rows, torch.tensor([program for _, program in kept])


def columns(
    rows: torch.Tensor, tokens: torch.Tensor, found: Sequence[Outcome]
) -> dict[str, torch.Tensor]:
    """As they are kept; what differs in length is padded with -1."""
    after = [o.after for o in found if o.after is not None]

    def padded(values: Sequence[Sequence[int]]) -> torch.Tensor:
        most = max(1, *(len(v) for v in values))
        return torch.tensor([[*v, *[-1] * (most - len(v))] for v in values])

    return {
        "rows": rows, "tokens": tokens,
        "changed": padded([a.changed for a in after]),
        "features": torch.cat([a.features.half() for a in after]),
        "at": torch.tensor([a.at for a in after]),
        "mentioned": padded([a.mentioned for a in after]),
        "words": torch.tensor([a.words for a in after]),
        "calls": torch.tensor([a.calls for a in after]),
        "success": torch.tensor([o.success for o in found]),
        "progress": torch.tensor([o.progress for o in found], dtype=torch.float32),
        "right": right_calls(rows, tokens, found),
    }  # fmt: skip


def right_calls(rows: torch.Tensor, tokens: torch.Tensor, found: Sequence[Outcome]) -> torch.Tensor:
    """(N, L) which calls were right, by the tree that the programs of a scene are.

    A call was right if a program that begins so succeeded, and wrong if it failed, or if only
    others did. Where none did, nobody knows; nor of what was no longer carried out.
    """
    programs, right = tokens.tolist(), torch.full_like(tokens, UNKNOWN)
    good: dict[int, set[tuple[int, ...]]] = defaultdict(set)
    for row, program, outcome in zip(rows.tolist(), programs, found, strict=True):
        if outcome.success:
            good[row] |= {tuple(program[: end + 1]) for end in line_ends(program)}
    for i, (row, program, outcome) in enumerate(zip(rows.tolist(), programs, found, strict=True)):
        assert outcome.after is not None
        done = line_ends(program)[: outcome.after.calls]
        for number, end in enumerate(done):
            if not outcome.ok and number == len(done) - 1:
                right[i, end] = 0
            elif good[row]:
                right[i, end] = int(tuple(program[: end + 1]) in good[row])
    return right


def load_labelled(folder: Path, seed: int) -> Labelled:
    """What `collect_labelled` left."""
    found = load_tensors(labelled_path(folder, seed))
    after, low = [], 0
    for i in range(len(found["rows"])):
        changed = tuple(j for j in found["changed"][i].tolist() if j >= 0)
        features = found["features"][low : low + len(changed)]
        low += len(changed)
        mentioned = tuple(m for m in found["mentioned"][i].tolist() if m >= 0)
        after.append(
            After(
                changed, features, int(found["at"][i]), mentioned,
                tuple(found["words"][i].tolist()), int(found["calls"][i]),
            )
        )  # fmt: skip
    return Labelled(
        found["rows"], found["tokens"], after, found["success"], found["progress"], found["right"]
    )
