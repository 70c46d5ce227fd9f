"""Bench `imagination`: frames a second that world models learn from and imagine, beside others."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json
from octoworld.core.registry import register_bench
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.autoregressive import (
    AutoregressiveConfig,
    AutoregressiveWorldModel,
    FrameTokenizer,
    TokenizerConfig,
)
from worldmodels.flow import FlowConfig, FlowWorldModel
from worldmodels.latent_model import LatentClip, LatentWorldModel

from .other_worlds import ACTION_DIM, BATCH, DEVICE, FUTURE, count, timed

SCRIPT = Path(__file__).with_name("other_worlds.py")
OURS = {"flow": {}, "autoregressive": {}, "autoregressive, 4 tokens at a time": {"together": 4}}
OTHERS = {"DIAMOND": "diamond", "iVideoGPT": "iVideoGPT"}
"""Name -> folder of its clone below that given by `--beside`."""
PROPRIO = 8
CLONE = """\
git clone https://github.com/eloialonso/diamond
git clone https://github.com/thuml/iVideoGPT"""
Measure = Callable[[str, float], float]
"""(train or imagine, for so many seconds) -> frames a second."""


@register_bench("imagination")
class ImaginationBench:
    """64x64, 16 worlds, one thread or a GPU; models of 3 to 5 M weights, in turn, by rounds."""

    name = "imagination"
    description = "frames/s of training and imagining, beside DIAMOND and iVideoGPT"
    measures_beside = "DIAMOND and iVideoGPT"

    def run(self, quick: bool, folder: Path, beside: Path | None = None) -> None:
        """Time all models, and others whose clones are in the folder `beside`.

        Raises:
            ConfigError: `beside` lacks a clone, or its code does not run here.
        """
        rounds, seconds = (1, 0.2) if quick else (3, 3.0)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        makers: dict[str, Callable[[], tuple[int, Measure]]] = {
            name: partial(ours, name.split(",")[0], **options) for name, options in OURS.items()
        }
        if beside is not None:
            makers |= {name: partial(other, name, beside / f) for name, f in OTHERS.items()}
        found: dict[str, dict[str, list[float]]] = {n: {"train": [], "imagine": []} for n in makers}
        try:
            models = {name: make() for name, make in makers.items()}
            for _ in range(rounds):
                for what in ("train", "imagine"):
                    for name, (_, measure) in models.items():
                        found[name][what].append(measure(what, seconds))
        finally:
            torch.set_num_threads(threads)

        def result(arm: str, seed: int, scratch: Path) -> ArmResult:
            return ArmResult(
                list(range(rounds)),
                {f"{what} frames/s": values for what, values in found[arm].items()},
                facts={"weights": models[arm][0]},
            )

        run(claims(beside is not None), result, folder, config={"rounds": rounds, "device": DEVICE})

    def report(self, folder: Path) -> str:
        """Verdicts, and medians."""
        lines = [report(folder), "", "| model | weights [M] | training | imagining |"]
        lines.append("|---|---|---|---|")
        for name in (*OURS, *OTHERS):
            path = folder / "rows" / name / "0.json"
            if path.exists():
                row = read_json(path)
                rates = (
                    statistics.median(row["outcomes"][f"{what} frames/s"])
                    for what in ("train", "imagine")
                )
                cells = [f"{r:,.0f}" if r >= 10 else f"{r:.1f}" for r in rates]
                weights = row["facts"]["weights"] / 1e6
                lines.append(f"| {name} | {weights:.1f} | {' | '.join(cells)} |")
        return "\n".join(lines)


def claims(beside: bool) -> list[Claim]:
    """What is promised: more frames than the others, at their size."""
    told = []
    for what, word in (("train", "learns from"), ("imagine", "imagines")):
        for baseline in OTHERS if beside else (None,):
            told.append(
                Claim(
                    f"{word}{'' if baseline is None else ' more than ' + baseline}", tuple(OURS),
                    (0,), f"{what} frames/s", baseline=baseline,
                    statement=f"frames a second that a model {word}",
                )
            )  # fmt: skip
    return told


def ours(kind: str, together: int = 1) -> tuple[int, Measure]:
    """A model of ours with its defaults: weights, and what measures it."""
    torch.manual_seed(0)
    codec = FrameAutoencoder(to_dict(AutoencoderConfig())).eval()
    model: LatentWorldModel
    if kind == "flow":
        model = FlowWorldModel.build(codec, FlowConfig(), PROPRIO, ACTION_DIM)
    else:
        tokenizer = FrameTokenizer.build(codec, TokenizerConfig())
        settings = AutoregressiveConfig(tokens_per_step=together)
        model = AutoregressiveWorldModel.build(tokenizer, settings, PROPRIO, ACTION_DIM)
    model.to(DEVICE)  # type: ignore[arg-type]
    image = codec.settings
    rows = 1 + model.context_length + FUTURE
    clip = LatentClip(
        torch.randn(BATCH, rows, image.num_tokens, image.latent_channels).to(DEVICE),
        torch.randn(BATCH, rows, PROPRIO).to(DEVICE),
        torch.rand(BATCH, FUTURE, ACTION_DIM).to(DEVICE),
    )
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    before = 1 + model.context_length
    history = model.start_latents(clip.latents[:, :before], clip.state[:, :before])

    def train() -> int:
        loss = model.latent_loss(clip, generator)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return BATCH * FUTURE

    def imagine() -> int:
        model.imagine(history, clip.actions, generator, "all")
        return BATCH * FUTURE

    steps = {"train": train, "imagine": imagine}

    def measure(what: str, seconds: float) -> float:
        frames, spent = timed(steps[what], seconds)
        return frames / spent

    return count(model), measure


def other(name: str, folder: Path) -> tuple[int, Measure]:
    """Another's model in a process of its own.

    Raises:
        ConfigError: the clone is missing, or does not run.
    """
    if not folder.is_dir():
        raise ConfigError(f"--beside: no folder {folder}; make it so:\n{CLONE}")
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), name.lower(), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def answer() -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ConfigError(f"--beside: {name} in {folder} does not run here, see above")
        return json.loads(line)

    weights = answer()["weights"]

    def measure(what: str, seconds: float) -> float:
        assert process.stdin is not None
        process.stdin.write(f"{what} {seconds}\n")
        process.stdin.flush()
        found = answer()
        return found["frames"] / found["seconds"]

    return weights, measure
