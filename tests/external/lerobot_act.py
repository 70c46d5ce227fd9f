"""LeRobot's own ACT learns from a data set of ours, by LeRobot's own training; see README.md.

The loss that LeRobot logs must have fallen; what it saved must load in LeRobot and act on frames of
ours: finite numbers, as many as our actions have, nearer to the recorded actions than any constant.
The last is asked for because the loss is mostly the divergence of ACT's latent variable, which
falls without a look at the data. `octoworld` itself is not imported.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from lerobot_import import load

REPO = "octoworld/check"
"""LeRobot wants a name; with a folder given, nothing of it is looked up."""
LOGS = 10
"""Losses logged in all, each the mean over a tenth of the steps."""
EVERY = 8
"""Frames from one on which the saved policy acts to the next."""


class Losses(logging.Handler):
    """Keeps the losses that LeRobot logs."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"step:\S+ .*\bloss:(\S+)", record.getMessage())
        if found:
            self.values.append(float(found.group(1)))


def inputs(features: dict[str, Any]) -> dict[str, Any]:
    """What a robot sees and feels, as LeRobot's policies name it.

    Left to itself, LeRobot would also take `observation.environment_state`: the truth about the
    things, which no robot knows.
    """
    felt = features["observation.state"]["shape"]
    given: dict[str, Any] = {"observation.state": {"type": "STATE", "shape": felt}}
    for name, feature in features.items():
        if feature["dtype"] in ("video", "image"):
            height, width, channels = feature["shape"]
            given[name] = {"type": "VISUAL", "shape": [channels, height, width]}
    return given


def train(
    folder: Path, out: Path, features: dict[str, Any], options: argparse.Namespace
) -> list[float]:
    """Call the function behind the command `lerobot-train`; returns the losses that it logged."""
    told = {
        "dataset.repo_id": REPO,
        "dataset.root": folder,
        "dataset.video_backend": "pyav",
        "policy.type": "act",
        "policy.device": "cpu",
        "policy.input_features": json.dumps(inputs(features)),
        "policy.pretrained_backbone_weights": "null",  # nothing is downloaded
        "policy.chunk_size": options.chunk,
        "policy.n_action_steps": options.chunk,
        "policy.optimizer_lr": options.learning_rate,
        "policy.optimizer_lr_backbone": options.learning_rate,
        "policy.push_to_hub": "false",
        "wandb.enable": "false",
        "output_dir": out,
        "steps": options.steps,
        "batch_size": options.batch,
        "log_freq": max(1, options.steps // LOGS),
        "num_workers": 0,
    }
    command = ["lerobot-train", *(f"--{name}={value}" for name, value in told.items())]
    module = load("lerobot.scripts.lerobot_train")
    losses, start = Losses(), module.init_logging

    def listening(**kwargs: Any) -> None:
        start(**kwargs)  # it drops every handler that is there
        logging.getLogger().addHandler(losses)

    listened = mock.patch.object(module, "init_logging", listening)
    with mock.patch.object(sys, "argv", command), listened:
        module.main()
    return losses.values


def act(folder: Path, checkpoint: Path) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """What the saved policy does at frames of ours, what was recorded (T, A), and their names."""
    policy = load("lerobot.policies.act.modeling_act").ACTPolicy.from_pretrained(checkpoint)
    make = load("lerobot.policies.factory").make_pre_post_processors
    before, after = make(policy.config, pretrained_path=str(checkpoint))
    dataset_class = load("lerobot.datasets.lerobot_dataset").LeRobotDataset
    dataset = dataset_class(REPO, root=folder, video_backend="pyav")
    acted, recorded = [], []
    for index in range(0, len(dataset), EVERY):
        item = dataset[index]
        policy.reset()  # it would go on with the actions decided at the frame before
        frame = {name: item[name] for name in policy.config.input_features}
        with torch.no_grad():
            acted.append(after(policy.select_action(before(frame)))[0].numpy())
        recorded.append(item["action"].numpy())
    return np.array(acted), np.array(recorded), dataset.meta.names["action"]


def judge(losses: list[float], acted: np.ndarray, recorded: np.ndarray) -> tuple[str, list[str]]:
    """What was seen, in words, and what is wrong with it."""
    error = np.abs(acted - recorded).mean() if acted.shape == recorded.shape else np.nan
    constant = np.abs(recorded - np.median(recorded, axis=0)).mean()
    wrong = {
        f"LeRobot logged {len(losses)} losses": len(losses) < 2,
        "the loss did not fall": bool(losses) and not losses[-1] < losses[0],
        f"actions are {acted.shape}, ours {recorded.shape}": acted.shape != recorded.shape,
        "an action is not finite": not np.isfinite(acted).all(),
        "a constant is no worse": not error < constant,
    }
    told = (
        f"loss {losses[0] if losses else np.nan:g} -> {losses[-1] if losses else np.nan:g}, "
        f"{acted.shape[-1]} actions, off by {error:.3f} on average at {len(acted)} frames "
        f"(best constant {constant:.3f})"
    )
    return told, [text for text, is_so in wrong.items() if is_so]


def main() -> int:
    """Parse the command line, train, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="data set, as `octoworld collect` writes it")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--chunk", type=int, default=10, help="actions decided at once")
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="LeRobot's own: 1e-5")
    parser.add_argument("--out", type=Path, help="keep LeRobot's run in this new folder")
    options = parser.parse_args()
    features = json.loads((options.folder / "meta/info.json").read_text())["features"]
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary) / "run"
        start = time.perf_counter()
        losses = train(options.folder.resolve(), out, features, options)
        seconds = time.perf_counter() - start
        found = act(options.folder, out / "checkpoints/last/pretrained_model")
    acted, recorded, names = found
    told, wrong = judge(losses, acted, recorded)
    verdict = "; ".join(wrong) or "all right"
    print(
        f"{options.folder}: ACT, {options.steps} steps in {seconds:.0f} s, {told}, "
        f"named {', '.join(names or ['nothing'])}: {verdict}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
