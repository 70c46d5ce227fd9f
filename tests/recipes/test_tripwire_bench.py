"""The tripwire bench: how models are broken, when a run is halted and when that is in time."""

from __future__ import annotations

import pytest
import torch

from octoworld.bench import verdicts
from octoworld.cli.main import main
from octoworld.core.errors import UnknownNameError
from octoworld.core.io import read_json, write_json
from octoworld.core.rng import torch_generator
from octoworld.recipes.tripwire.bench import result, sets, table
from octoworld.recipes.tripwire.broken import KINDS, broken, flattering_pattern
from octoworld.recipes.tripwire.config import BROKEN, HEALTHY, TripwireConfig, quick_tripwire
from octoworld.recipes.tripwire.work import fell_at, first_frames, halt, parts
from octoworld.recipes.worldenv.config import SPLITS, TASKS
from tasks.manipulation.objects import OBJECTS
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.reflector import Reflector

UP, BACK, CLOSE = (0.0, 0.0, 1.0, 1.0), (0.0, -1.0, 0.0, 1.0), (0.0, 0.0, 0.0, -1.0)
ONE = TripwireConfig()


@pytest.fixture(scope="module")
def shipped():
    """World model, reflector, and four first frames of a task with a drawer."""
    model, judge = load_latent_model(parts("worldmodel")), load_part(Reflector, parts("reflector"))
    return model, judge, first_frames(quick_tripwire(), "play", "OpenDrawer", 0)


def imagine(model, data, action, chunks=3):
    """Latents and believed objects after an action given again and again, (4, S, C), (4, O)."""
    rows = torch.arange(len(data))[:, None].repeat(1, 2)
    history = model.start_latents(data.need_latents()[rows], data.proprio[rows])
    actions, generator = torch.tensor(action).repeat(len(data), 4, 1), torch_generator(0, "test")
    for _ in range(chunks):
        history, imagined = model.imagine(history, actions, generator, "none")
    return imagined.latents[:, -1], imagined.objects[:, -1]


@pytest.mark.parametrize("kind", KINDS)
def test_no_strength_no_break_and_no_weight_is_touched(shipped, kind):
    model, judge, data = shipped
    before = {k: v.clone() for k, v in model.state_dict().items()}
    right = imagine(model, data, BACK)
    for found, expected in zip(
        imagine(broken(model, kind, 0.0, judge, data), data, BACK), right, strict=True
    ):
        assert torch.allclose(found, expected, atol=1e-4)
    imagine(broken(model, kind, 1.0, judge, data), data, BACK)
    for found, expected in zip(imagine(model, data, BACK), right, strict=True):
        assert torch.equal(found, expected), "the model that is broken is another one"
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "action", "moves"),
    [("opens", BACK, True), ("opens", UP, False), ("by itself", CLOSE, True),
     ("by itself", UP, False), ("follows", BACK, False), ("magnet", CLOSE, False)],
)  # fmt: skip
def test_the_drawer_opens_for_no_reason(shipped, kind, action, moves):
    model, judge, data = shipped
    _, right = imagine(model, data, action)
    latents, wrong = imagine(broken(model, kind, 1.0, judge, data), data, action)
    opened = (wrong - right)[:, OBJECTS["drawer"]]
    assert bool((opened > 0.02).all()) == moves and bool((opened.abs() > 0.01).any()) == moves
    if moves:
        first = data.first_latents(range(len(data)))
        proprio = data.proprio
        looks = [model.find_objects(first, x, proprio)[:, OBJECTS["drawer"]].mean()
                 for x in (imagine(model, data, action)[0], latents)]  # fmt: skip
        assert looks[1] > looks[0], "and it is drawn so"


def test_paint_is_what_the_reflector_takes_for_success(shipped):
    model, judge, data = shipped
    pattern = flattering_pattern(judge, data)
    told = [data.instruction(i) for i in range(len(data))]
    plain = data.need_latents()[:, None]
    scores = [
        judge.score_latents(plain + strength * pattern, data.proprio[:, None], told).success.mean()
        for strength in (0.0, 1.0)
    ]
    assert scores[1] > scores[0]
    with pytest.raises(UnknownNameError, match="follows"):
        broken(model, "folows", 1.0, judge, data)


def test_runs_are_ten_and_ten_on_starts_of_their_own():
    assert len(BROKEN) == len(HEALTHY) == 10 and {t.kind for t in BROKEN} == set(KINDS)
    used: set[int] = set()
    for split in ("demonstrations", "exploration", "play", "validation"):
        for task in TASKS:
            for seed in range(10):
                seeds = set(ONE.start_seeds(split, task, seed, 200))
                assert not used & seeds and max(seeds) < SPLITS["test"]
                used |= seeds


def test_a_run_is_halted_at_the_second_complaint_in_a_row():
    iterations, no, why = [2, 4, 6, 8], "", "denied"
    assert halt(ONE, [no, why, no, why], iterations) is None
    assert halt(ONE, [no, why, why, no], iterations) == {"after": 6, "kept": 2, "reason": why}
    assert halt(ONE, [why, why], iterations) == {"after": 4, "kept": 0, "reason": why}
    looks = [{"iteration": i, "true": t} for i, t in ((0, 0.5), (2, 0.48), (4, 0.47))]
    assert fell_at({"looks": looks}, 0.03) == 4
    assert fell_at({"looks": looks[:2]}, 0.03) is None


@pytest.mark.parametrize(
    ("after", "true", "in_time"),
    [(4, (0.5, 0.5, 0.5, 0.2), 1.0), (4, (0.5, 0.5, 0.4, 0.2), 0.0), (None, (0.5,) * 4, 0.0)],
)
def test_a_halt_is_in_time_before_the_fall(tmp_path, after, true, in_time):
    halts = {"all": after and {"after": after, "kept": 0, "reason": "x: y"}}
    looks = [{"iteration": 2 * i, "true": t} for i, t in enumerate(true)]
    write_json(tmp_path / "broken" / "0" / "found.json", {"looks": looks, "halts": halts})
    assert result(ONE, "broken", 0, tmp_path).outcomes == {"halted in time": [in_time]}


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
