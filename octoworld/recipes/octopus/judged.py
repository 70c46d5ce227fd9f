"""JudgedEnv: household scenes whose reward is a learned judge's word, and what it was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from octoworld.rl import Hook, TrainerState
from vla.programmer.tiny import Judge, Seen

from .after import After, Onlooker, seen_after
from .env import PROGRESS, Key, ProgramEnv
from .scenes import Scenes

AT_ONCE = 128
"""Programs that are judged together."""


class JudgedEnv(ProgramEnv):
    """Programs are carried out, and a judge looks at what has become of the home.

    What the environment knows of success is counted beside it (`said`), so that rewards that a
    policy has learned to fake can be told; nothing that learns ever gets it.
    """

    def __init__(self, scenes: Scenes, num_envs: int, judge: Judge, *, keep: int = 200_000) -> None:
        """`keep`: most outcomes, verdicts and pictures that are remembered."""
        super().__init__(scenes, num_envs, keep=keep, onlooker=Onlooker(judge.trunk, keep=keep))
        self.judge = judge.eval()
        self.said: list[tuple[bool, bool]] = []
        """Of each program: whether the judge says success, and whether it was one."""
        self._verdicts: dict[Key, tuple[float, float]] = {}

    def judged(
        self, rows: Sequence[int], tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `ProgramEnv.judged`: the probability of success for success, the judged progress."""
        chance, progress = self.opinions(rows, tokens)
        success = chance >= self.judge.threshold
        found = self.outcomes(rows, tokens)
        self.true_episodes -= len(found)  # they were asked for twice
        self.said += [(bool(s), o.success) for s, o in zip(success, found, strict=True)]
        # that a call failed is told to everybody
        ok = torch.tensor([o.ok for o in found]) | success
        return chance + PROGRESS * progress * ok, success

    def opinions(
        self, rows: Sequence[int], tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Calibrated probability of success (N,), and progress (N,) in [0, 1], as judged."""
        keys, found = self.keys(rows, tokens), self.outcomes(rows, tokens)
        if len(self._verdicts) > self.keep:
            self._verdicts = {k: self._verdicts[k] for k in keys if k in self._verdicts}
        new = {key: i for i, key in enumerate(keys) if key not in self._verdicts}
        at = list(new.values())
        for low in range(0, len(at), AT_ONCE):
            some = at[low : low + AT_ONCE]
            after = [found[i].after for i in some]
            chance, progress = judge_programs(
                self.judge, self.scenes, [rows[i] for i in some], tokens[some],
                [a for a in after if a is not None],
            )  # fmt: skip
            pairs = zip(chance.tolist(), progress.tolist(), strict=True)
            self._verdicts |= dict(zip((keys[i] for i in some), pairs, strict=True))
        return tuple(torch.tensor([self._verdicts[key] for key in keys]).reshape(-1, 2).T)  # type: ignore[return-value]


@torch.no_grad()
def judge_programs(
    judge: Judge, scenes: Scenes, rows: Sequence[int], tokens: torch.Tensor, after: Sequence[After]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probability of success (N,) and progress (N,) of programs (N, L) in scenes `rows` (N,)."""
    different, owner = torch.tensor(rows).unique(return_inverse=True)
    before = Seen.of(scenes.obs(different))
    now = seen_after(Seen.of(before.columns(), owner), after)
    length = max(1, int((tokens >= 0).sum(1).max()))
    verdict = judge(before, tokens[:, :length], now, owner)
    return judge.probability(verdict), verdict.progress.sigmoid()


class Hindsight(Hook):
    """Notes in each iteration how often the judge said success, and how often it was one."""

    def __init__(self, env: JudgedEnv) -> None:
        self.env = env

    def on_iteration(self, state: TrainerState) -> str | None:
        """Of the programs since the last iteration."""
        said, true = (torch.tensor(column).float() for column in zip(*self.env.said, strict=True))
        state.metrics["judge/said"] = float(said.mean())
        state.metrics["judge/true"] = float(true.mean())
        state.metrics["judge/false_success"] = float((said * (1 - true)).mean())
        self.env.said = []
        return None


def hindsight(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What `Hindsight` noted, mean over the last tenth of the iterations; empty without a judge."""
    last = history[-max(1, len(history) // 10) :]
    names = [name for name in last[-1] if name.startswith("judge/")]
    return {name: sum(row[name] for row in last) / len(last) for name in names}
