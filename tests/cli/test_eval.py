"""`octoworld eval`: suites, splits, two policies, files, films, and bad commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from octoworld.cli.main import main
from octoworld.core.io import read_json
from tasks.suites import SCENES
from vla.processors import Processor
from vla.tiny import TinyConfig, TinyPolicy


def save_policy(folder: Path, robot: str = "panda") -> Path:
    """A tiny policy with random weights."""
    rng = np.random.default_rng(0)
    processor = Processor.fit(["pick it up"], rng.normal(size=(9, 8)), rng.normal(size=(9, 4)))
    config = TinyConfig(
        state_dim=8, action_dim=4, robot=robot, control_mode="ee_delta_pos", width=24, depth=2,
        heads=2, stem_channels=8, num_keypoints=4, keypoint_tokens=1, text_width=8,
    )  # fmt: skip
    torch.manual_seed(0)
    TinyPolicy(config, processor).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> str:
    return str(save_policy(tmp_path_factory.mktemp("eval") / "policy"))


@pytest.fixture(scope="module")
def controller() -> str:
    return str(Path(__file__).parents[2] / "assets/checkpoints/reach-ppo")


def error_of(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1
    return line


@pytest.mark.slow
def test_a_scene_on_several_splits(policy, tmp_path, capsys):
    out = tmp_path / "table"
    argv = ["eval", policy, "--suite", "table", "--splits", "train", "paraphrases"]
    assert main([*argv, "--episodes", "2", "--num-envs", "2", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert (out / "eval.md").read_text().strip() in shown
    facts = read_json(out / "eval.json")
    names = ("all", *SCENES["table"])
    assert len(facts["rows"]) == 2 * 7 and len(facts["outcomes"]["policy"]) == 2 * 6 * 2
    assert [(r["split"], r["task"]) for r in facts["rows"]] == [
        (s, t) for s in ("train", "paraphrases") for t in names
    ]
    stages = next(r["stages"] for r in facts["rows"] if r["task"] == "PlaceInBin")
    assert {"reached", "grasped"} < set(stages)
    again = tmp_path / "again.json"
    assert main([*argv, "--episodes", "2", "--num-envs", "2", "--out", str(again)]) == 0
    assert read_json(again)["outcomes"] == facts["outcomes"]
    assert (tmp_path / "again.md").exists()


def test_two_policies_and_a_split_that_is_not_offered(policy, controller, tmp_path, capsys):
    out = tmp_path / "reach.json"
    argv = ["eval", controller, "--compare", policy, "--suite", "reach", "--splits", "distractors"]
    argv += ["positions", "--episodes", "3", "--out", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "| positions | Reach | policy - baseline | " in shown and "+100.0 [+100.0" in shown
    assert "| Reach | distractors | task Reach has no distractors: take another split |" in shown
    facts = read_json(out)
    assert facts["not_offered"][0]["task"] == "Reach"
    assert facts["policies"] == {"baseline": policy, "policy": controller}


def test_baseline_is_the_same_as_compare(policy, controller, capsys):
    assert main(["eval", controller, "--baseline", policy, "--episodes", "2"]) == 0
    assert "| everything | Reach | policy - baseline |" in capsys.readouterr().out


def test_films_of_failures_in_ones_own_words(policy, tmp_path, capsys):
    out = tmp_path / "seen"
    argv = ["eval", policy, "--tasks", "PickUp", "--instruction", "grab the {block} block, please"]
    argv += ["--episodes", "3", "--num-envs", "3", "--videos", "2", "--out", str(out)]
    assert main(argv) == 0
    films = read_json(out / "eval.json")["films"]
    assert [f["file"] for f in films] == sorted(p.name for p in (out / "videos").iterdir())
    assert len(films) == 2 and all(f["instruction"].startswith("grab the ") for f in films)
    assert films[0]["file"] in capsys.readouterr().out


def test_another_arm(tmp_path, capsys):
    other = str(save_policy(tmp_path / "other", robot="ur5e"))
    argv = ["eval", other, "--suite", "reach", "--episodes", "2"]
    assert main([*argv, "--robot", "ur5e", "--out", str(tmp_path / "r.json")]) == 0
    assert read_json(tmp_path / "r.json")["config"]["robot"] == "ur5e"
    capsys.readouterr()
    line = error_of(capsys, *argv)
    assert "was made for robot 'ur5e', not 'panda'" in line
    line = error_of(capsys, *argv, "--robot", "so101")
    assert "was made for robot 'ur5e', not 'so101'" in line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--suite", "kitchn"), ("suite 'kitchn'", "Did you mean 'kitchen'", "workbench")),
        (("--splits", "colours"), ("split 'colours'", "paraphrases", "positions")),
        (("--tasks", "PickUpp"), ("'PickUpp'", "Did you mean 'PickUp'")),
        (("--suite", "reach", "--tasks", "PickUp"), ("--suite reach", "--tasks PickUp")),
        (("--suite", "reach", "--splits", "distractors"), ("Reach has no distractors",)),
        (("--tasks", "Hover", "--splits", "train"), ("task Hover has no option 'split'",)),
        (("--tasks", "PickUp", "--instruction", "grab it"), ("'grab it'", "{block}", "pick up")),
        (("--robot", "pandda"), ("'pandda'", "so101, ur5e")),
        (("--robot", "so101"), ("needs a tool from", "'so101' reaches from")),
        (("--episodes", "0"), ("episodes 0",)),
        (("--videos", "2"), ("--videos", "--out")),
        (("--videos", "-2", "--out", "x"), ("videos -2",)),
        (("--update-card",), ("--update-card", "'hf'", "'tiny'")),
        (("--dtype", "float32"), ("--dtype", "'hf'", "'tiny'")),
        (("--compare", "nowhere"), ("nowhere/config.json does not exist",)),
    ],
)
def test_bad_input_is_one_line(policy, capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    line = error_of(capsys, "eval", policy, *argv)
    assert all(word in line for word in words), line


def test_a_policy_of_another_observation_is_told(controller, capsys):
    line = error_of(capsys, "eval", controller, "--tasks", "PickUp", "--episodes", "1")
    assert "controller of Reach needs 11 numbers of state" in line
