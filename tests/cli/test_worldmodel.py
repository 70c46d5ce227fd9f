"""`octoworld worldmodel`: any robot's recordings to a model that imagines them, and its figures."""

import json
import math
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from octoworld.cli.main import main
from octoworld.core.config import load_config
from octoworld.core.io import load_tensors
from octoworld.core.log import read_metrics
from octoworld.data.episode import Episode
from octoworld.data.writer import DatasetWriter
from octoworld.recipes.worldmodel_train import FlowRunConfig
from worldmodels.checkpoint import load_latent_model
from worldmodels.flow import FlowWorldModel

ROOT = Path(__file__).parents[2]
TINY = {
    "autoencoder": {"width": 8, "cell_size": 8, "latent_channels": 16},
    "autoencoder_fit": {"steps": 4, "batch_size": 8},
    "worldmodel.model": {
        "dim": 16, "layers": 1, "heads": 2, "cell_width": 16, "state_hidden": 16,
        "context_length": 2,
    },
    "worldmodel.state": {"steps": 3, "batch_size": 8},
    "worldmodel": {"state_chunks": 1, "self_forcing_chunks": 1, "polish_chunks": 1},
    "worldmodel.polish": {"steps": 1},
}  # fmt: skip
CODES = {
    "worldmodel.model": {"draft_blocks": 1, "head_width": 16},
    "tokenizer": {"groups": 2, "levels": [3, 3], "hidden": 16, "decoder_width": 8},
    "tokenizer_fit": {"steps": 3, "batch_size": 8},
}


def record(
    folder,
    *,
    robot="cf2x",
    episodes=3,
    steps=60,
    actions=2,
    size=(24, 32),
    seed=0,
    cameras=("front",),
):
    """A drone that sees a mark which its own actions move; nothing of it but LeRobot's columns."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder, 24, robot) as writer:
        for _ in range(episodes):
            action = rng.uniform(-1, 1, (steps, actions)).astype(np.float32)
            place = 0.5 + 0.3 * np.sin(np.cumsum(action[:, :2], 0) / 4)
            frames = np.full((steps, *size, 3), 90, np.uint8)
            for frame, (x, y) in zip(frames, place, strict=True):
                row, column = int(y * size[0]), int(x * size[1])
                frame[max(0, row - 3) : row + 3, max(0, column - 3) : column + 3] = (230, 90, 20)
            columns = {f"observation.images.{c}": frames for c in cameras}
            columns |= {"observation.state": place.astype(np.float32), "action": action}
            writer.add(Episode(columns, "hover", 24, {"robot": robot}))
    return str(folder)


def settings(*kinds):
    return [
        "--set",
        *(f"{k}.{n}={v}" for kind in kinds for k, d in kind.items() for n, v in d.items()),
    ]


def train(out, *data, paradigm="flow", more=()):
    argv = ["worldmodel", "train", *data, "--out", str(out), "--image-size", "32"]
    argv += ["--paradigm", paradigm, "--steps", "4", "--batch-size", "4", *more]
    return [*argv, *settings(TINY, *([CODES] if paradigm == "autoregressive" else []))]


def weights(run):
    return load_tensors(run / "worldmodel" / "diffusion_pytorch_model.safetensors")


def error_of(capsys, *argv):
    capsys.readouterr()
    assert main([str(a) for a in argv]) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1, line
    return line


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return record(folder / "train"), record(folder / "held_out", seed=1)


@pytest.fixture(scope="module", params=["flow", "autoregressive"])
def run(request, data, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / "run"
    assert main(train(out, data[0], paradigm=request.param)) == 0
    return out


def test_free_running_48_steps_stay_finite_and_repeat_under_a_seed(run, data, capsys):
    told = []
    for name in ("a", "b"):
        out = run / name
        argv = ["worldmodel", "eval", run, data[1], "--out", out, "--starts", "8", "--films", "2"]
        assert main([str(a) for a in argv]) == 0
        told.append(json.loads((out / "eval.json").read_text()))
    assert told[0] == told[1]
    free = told[0]["free_running"]
    assert free["steps"] == list(range(4, 49, 4))
    for how in ("free_running", "teacher_forced"):
        for name in ("psnr", "ssim", "latent_error", "still_latent_error", "still_psnr"):
            assert all(map(math.isfinite, told[0][how][name])), name
        assert all(map(math.isfinite, told[0]["state_error"][how]["imagined"]))
    assert free["psnr"][0] == told[0]["teacher_forced"]["psnr"][0]  # one chunk is one chunk
    assert told[0]["episodes_seen_in_training"] == 0
    text = (out / "eval.md").read_text()
    assert (
        "## Free-running" in text
        and text.count("\n| 48 |") == 2
        and text in capsys.readouterr().out
    )
    with Image.open(out / "film.png") as sheet:
        assert sheet.height > 6 * 64  # two episodes, three rows each
    with av.open(str(out / "film.mp4")) as film:
        assert film.streams.video[0].frames == 49


def test_a_student_is_a_run_like_its_teachers(run, data, tmp_path, capsys):
    out = tmp_path / "student"
    argv = ["worldmodel", "distill", run, data[0], "--held-out", data[1], "--out", out, "--set",
            "fit.steps=2", "fit.batch_size=4", "chunks=1"]  # fmt: skip
    argv = [str(a) for a in argv]
    if "autoregressive" in str(run):
        assert "takes no Euler steps" in error_of(capsys, *argv)
        return
    assert main(argv) == 0
    assert "| student | 1 | 20 |" in capsys.readouterr().out
    model = load_latent_model(out / "worldmodel")
    assert isinstance(model, FlowWorldModel) and model.settings.sampling_steps == 1
    how = ["--starts", "4", "--films", "0", "--steps", "8"]
    assert main(["worldmodel", "eval", str(out), data[1], "--out", str(out / "eval"), *how]) == 0
    assert "other settings" in error_of(capsys, *argv, "--steps", "2")


def test_training_again_with_the_same_seed_gives_the_same_model(run, data, tmp_path):
    paradigm = run.parent.name.rstrip("0123456789")
    before = weights(run)
    assert main(train(run, data[0], paradigm=paradigm)) == 0  # nothing is left to do
    assert main(train(tmp_path / "twin", data[0], paradigm=paradigm)) == 0
    for other in (weights(run), weights(tmp_path / "twin")):
        assert before.keys() == other.keys()
        assert all(torch.equal(before[k], other[k]) for k in before)


def test_a_run_is_of_one_data_set_one_robot_and_one_setting(run, data, tmp_path, capsys):
    paradigm = run.parent.name.rstrip("0123456789")
    again = train(run, data[0], paradigm=paradigm)
    assert "of other data (episodes)" in error_of(capsys, *train(run, data[1], paradigm=paradigm))
    assert "of other settings" in error_of(capsys, *again, "worldmodel.fit.steps=5")
    ask = ["worldmodel", "eval", run]
    other = record(tmp_path / "arm", robot="panda", steps=52)
    assert "robot 'panda'" in error_of(capsys, *ask, other)
    wide = record(tmp_path / "wide", actions=4, steps=52)
    assert "length of actions 4, the world model is made for 2" in error_of(capsys, *ask, wide)
    big = record(tmp_path / "big", size=(48, 64), steps=52)
    assert "frame sizes ((48, 64),)" in error_of(capsys, *ask, big)
    short = record(tmp_path / "short", steps=40)
    line = error_of(capsys, *ask, short)
    assert "longest episode has 40 steps, imagining 48 needs 49" in line and "--steps" in line
    assert "film" not in "".join(p.name for p in run.iterdir())
    assert "no data.json" in error_of(capsys, "worldmodel", "eval", tmp_path, data[1])


def test_clips_shorter_than_a_chunk_teach_nothing(tmp_path, capsys):
    data = record(tmp_path / "data", steps=4)
    assert "no episode is longer than 4 steps" in error_of(capsys, *train(tmp_path / "run", data))


def test_parts_of_another_tokenizer(data, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(train(first, data[0], paradigm="autoregressive")) == 0
    tokens = ["--autoencoder", str(first / "tokenizer")]
    assert main(train(second, data[0], paradigm="autoregressive", more=tokens)) == 0
    assert not (second / "tokenizer" / "metrics.jsonl").exists()  # taken, not trained
    other = train(tmp_path / "other", data[0], paradigm="autoregressive", more=["--seed", "1"])
    assert main(other) == 0
    tokens = ["--autoencoder", str(tmp_path / "other" / "tokenizer")]
    line = error_of(capsys, *train(second, data[0], paradigm="autoregressive", more=tokens))
    assert "holds a run on another autoencoder" in line
    tokens += ["--initial", str(first / "worldmodel")]
    line = error_of(capsys, *train(tmp_path / "c", data[0], paradigm="autoregressive", more=tokens))
    assert "made on another autoencoder" in line
    line = error_of(capsys, *train(tmp_path / "d", data[0], more=tokens[2:]))
    assert "holds a AutoregressiveWorldModel, expected a FlowWorldModel" in line
    more = ["--initial", str(first / "worldmodel")]
    assert main(train(tmp_path / "e", data[0], paradigm="autoregressive", more=more)) == 0


@pytest.mark.slow
def test_several_cameras_and_an_own_network_that_measures_pictures(tmp_path, capsys):
    cameras = ("front", "down")
    data = record(tmp_path / "data", cameras=cameras)
    held_out = record(tmp_path / "held_out", cameras=cameras, seed=1)
    looks, run = tmp_path / "looks", tmp_path / "run"
    argv = ["worldmodel", "perceptual", data, "--out", looks, "--image-size", 32, "--steps", 3]
    argv += ["--set", "width=8", "embedding=16", "features=4"]
    assert main([str(a) for a in argv]) == 0
    scores = json.loads((looks / "order.json").read_text())
    assert set(scores) == {"trained", "untrained", "psnr", "ssim"}
    assert "| missing over faint |" in capsys.readouterr().out
    assert main(train(run, data)) == 0
    assert load_config(FlowRunConfig, run / "config.yaml").worldmodel.fit.steps == 4
    ask = ["worldmodel", "eval", run, "--perceptual", looks, "--steps", 8, "--films", 1]
    assert "trained on 2 of these 3" in error_of(capsys, *ask, data)
    assert "need 16 frames, --starts gives 6" in error_of(capsys, *ask, held_out, "--starts", 3)
    assert main([str(a) for a in [*ask, held_out, "--starts", 32]]) == 0
    told = json.loads((run / "eval" / "eval.json").read_text())
    assert told["cameras"] == list(cameras) and told["perceptual"]["trained_on_episodes"] == 2
    for name in ("perceptual_distance", "frechet_distance"):
        assert len(told["free_running"][name]) == 2
    assert isinstance(told["free_running"]["clip_frechet_distance"], float)
    assert "perceptual distance, own network" in capsys.readouterr().out
    assert "camera 'rear' is not in" in error_of(
        capsys, *train(tmp_path / "x", data, more=["--cameras", "rear"])
    )


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("tarin",), ("'tarin'", "Did you mean 'train'", "perceptual, eval")),
        (("train", "--out", "x"), ("at least one folder",)),
        (("train", "nowhere", "--out", "x", "--set", "worldmodel.model.dimm=3"), ("dimm", "dim")),
        (("train", "nowhere", "--out", "x", "--set", "model.dim=3"), ("'model'", "worldmodel")),
        (("train", "nowhere", "--out", "x"), ("nowhere is no dataset",)),
        (("train", "nowhere", "--out", "x", "--paradigm", "gan"), ("gan", "autoregressive")),
        (("eval", "nowhere", "data", "--steps", "0"), ("steps must be at least 1, got 0",)),
        (("perceptual", "nowhere", "--out", "x", "--set", "features=0"), ("features = 0",)),
    ],
)
def test_wrong_words(argv, words, capsys):
    line = error_of(capsys, "worldmodel", *argv)
    assert all(word in line for word in words), line


def test_wrong_numbers_and_robots_that_do_not_fit(data, tmp_path, capsys):
    line = error_of(capsys, *train(tmp_path / "a", data[0], more=["--precision", "bfloat16"]))
    assert "needs a CUDA device" in line
    odd = train(tmp_path / "b", data[0])
    odd[odd.index("--image-size") + 1] = "40"
    assert "40 is not a multiple of 16" in error_of(capsys, *odd)
    other = record(tmp_path / "arm", robot="panda")
    assert "has robot 'panda'" in error_of(capsys, *train(tmp_path / "c", data[0], other))


@pytest.mark.slow
def test_two_processes_share_the_batches(data, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [
        "--nproc-per-node",
        "2",
        "-m",
        "octoworld.cli.main",
        *train(tmp_path / "two", data[0]),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=280)
    assert all(torch.isfinite(x).all() for x in weights(tmp_path / "two").values())
    rows = read_metrics(tmp_path / "two" / "worldmodel" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [3]
