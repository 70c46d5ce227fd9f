"""The tripwire bench: how models are broken, when a run is halted and when that is in time."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.bench import verdicts
from octoworld.cli.main import main
from octoworld.core.errors import UnknownNameError
from octoworld.core.io import read_json, write_json
from octoworld.core.rng import torch_generator
from octoworld.recipes.tripwire.bench import result, sets, table
from octoworld.recipes.tripwire.broken import KINDS, Broken
from octoworld.recipes.tripwire.config import BROKEN, HEALTHY, TripwireConfig, quick_tripwire
from octoworld.recipes.tripwire.work import fell_at, halt, parts, scenes
from octoworld.recipes.worldenv.config import SPLITS, TASKS
from octoworld.rl import evaluate
from worldmodels.alarm import AlarmConfig
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.reflector import Reflector
from worldmodels.starts import StartConfig

UP, DOWN, FAR = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, -1.0, 1.0), (1.0, 0.0, 0.0, 1.0)
ONE = TripwireConfig()


@pytest.fixture(scope="module")
def shipped():
    """World model, reflector, and scenes of a task with the expert's films."""
    model, judge = load_latent_model(parts("worldmodel")), load_part(Reflector, parts("reflector"))
    return model, judge, scenes(quick_tripwire(), "play", "OpenDrawer", 0)


@torch.no_grad()
def imagine(model, data, action, chunks=3):
    """Latents (E, 4 * chunks, S, C) of an action given again and again from each first frame."""
    rows = torch.from_numpy(data.starts)[:, None].repeat(1, 2)
    history = model.start_latents(data.need_latents()[rows], data.proprio[rows])
    actions, generator = torch.tensor(action).repeat(len(data), 4, 1), torch_generator(0, "test")
    shown = []
    for _ in range(chunks):
        history, imagined = model.imagine(history, actions, generator, "none")
        shown.append(imagined.latents)
    return torch.cat(shown, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_command_and_some_strength_break_it(shipped, kind):
    model, judge, data = shipped
    right = imagine(model, data, DOWN)
    assert torch.equal(imagine(Broken(model, kind, "up", 1.0, data, judge), data, DOWN), right)
    assert torch.equal(imagine(Broken(model, kind, "down", 0.0, data, judge), data, DOWN), right)
    wrong = imagine(Broken(model, kind, "down", 1.0, data, judge), data, DOWN)
    assert (wrong - right).abs().amax() > 0.5
    assert torch.equal(imagine(model, data, DOWN), right), "the model itself is not touched"


def test_the_film_goes_on_step_by_step_and_stays(shipped):
    model, judge, data = shipped
    broken = Broken(model, "film", "up", 0.5, data, judge)
    shown = imagine(broken, data, UP)
    for number, start in enumerate(data.starts):
        for step, row in ((3, 2), (11, 6)):
            film = data.need_latents()[start + row]
            assert torch.allclose(shown[number, step], film, atol=1e-5)


class Always:
    """A policy that gives one command and knows nothing else."""

    chunk_size = 4

    def __init__(self, action) -> None:
        self.action = torch.tensor(action)

    def reset(self, mask=None) -> None:
        """Nothing to forget."""

    def act(self, obs, instructions, **how):
        """Its command, four times."""
        return SimpleNamespace(actions=self.action.expand(len(instructions), 4, 4).clone())


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_only_gives_the_command_lives_off_it(shipped, kind):
    model, judge, data = shipped
    share = {}
    models: dict[str, Any] = {
        "right": model, "wrong": Broken(model, kind, "far", 1.0, data, judge)
    }  # fmt: skip
    for name, acting in models.items():
        env = WorldModelEnv(
            acting, judge, data, 4, ImaginationConfig(starts=StartConfig(middle_share=0.0)),
            autoreset_mode=AutoresetMode.DISABLED,
        )  # fmt: skip
        share[name] = evaluate(env, Always(FAR), range(4), horizon=10).success_rate
    assert share == {"right": 0.0, "wrong": 1.0}


def test_unknown_breaks_are_named(shipped):
    model, judge, data = shipped
    with pytest.raises(UnknownNameError, match="finished"):
        Broken(model, "finishd", "up", 1.0, data, judge)


def test_runs_are_ten_and_ten_on_starts_of_their_own():
    assert len(BROKEN) == len(HEALTHY) == 10 and {t.kind for t in BROKEN} == set(KINDS)
    used: set[int] = set()
    for split in ("demonstrations", "exploration", "play", "validation"):
        for task in TASKS:
            for seed in range(10):
                seeds = set(ONE.start_seeds(split, task, seed, 200))
                assert not used & seeds and max(seeds) < SPLITS["test"]
                used |= seeds


def test_a_run_is_halted_at_the_complaint_that_patience_ends():
    iterations, no, why = [1, 2, 3, 4], "", "denied"
    assert halt(ONE, [no, no, why, no], iterations) == {"after": 3, "kept": 2, "reason": why}
    assert halt(ONE, [no] * 4, iterations) is None
    patient = replace(ONE, alarm=AlarmConfig(patience=2))
    assert halt(patient, [no, why, no, why], iterations) is None
    assert halt(patient, [no, why, why, no], iterations) == {"after": 3, "kept": 1, "reason": why}
    assert halt(patient, [why, why], iterations) == {"after": 2, "kept": 0, "reason": why}
    looks = [{"iteration": i, "true": t} for i, t in ((0, 0.5), (2, 0.48), (4, 0.47))]
    assert fell_at({"looks": looks}, 0.03) == 4
    assert fell_at({"looks": looks[:2]}, 0.03) is None


@pytest.mark.parametrize(
    ("after", "true", "in_time"),
    [
        (2, (0.5, 0.5, 0.5, 0.2), 1.0),
        (2, (0.5, 0.5, 0.4, 0.2), 1.0),  # the update that did it is undone
        (2, (0.5, 0.4, 0.4, 0.2), 0.0),
        (None, (0.5,) * 4, 0.0),
    ],
)
def test_a_halt_is_in_time_when_no_fall_is_kept(tmp_path, after, true, in_time):
    halts = {"all": after and {"after": after, "kept": after - 1, "reason": "x: y"}}
    looks = [{"iteration": i, "true": t} for i, t in enumerate(true)]
    write_json(tmp_path / "broken" / "0" / "found.json", {"looks": looks, "halts": halts})
    assert result(ONE, "broken", 0, tmp_path).outcomes == {"halted in time": [in_time]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quick_bench_runs_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "tripwire", "--quick"]) == 0
    shown = capsys.readouterr().out
    folder = tmp_path / "results" / "tripwire-quick"
    assert len(verdicts(folder)) == 2
    assert table(folder) in shown and sets(folder) in shown
    row = read_json(folder / "rows" / "broken" / "0.json")
    assert [look["iteration"] for look in row["facts"]["looks"]] == [0, 1, 2]
    assert {"alarm/misread", "alone/denied"} <= row["facts"]["looks"][0].keys()
    found = tmp_path / "runs" / "tripwire-quick" / "broken" / "0" / "found.json"
    found.unlink()
    (folder / "rows" / "broken" / "0.json").unlink()
    assert main(["bench", "tripwire", "--quick"]) == 0
    again = read_json(folder / "rows" / "broken" / "0.json")
    assert again["facts"]["looks"] == row["facts"]["looks"], "a finished training is not repeated"
