"""Publish what a run has learned as small checkpoints that another run can start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.errors import CheckpointError
from octoworld.core.io import atomic_folder, load_tensors, save_tensors, write_json
from octoworld.viewer.frames import write_png

from ..stages import Run
from .learning import heldout_episodes, worldmodel
from .picture import imagined_sheet
from .recordings import true_episodes

PARTS = ("grounding", "autoencoder", "worldmodel", "reflector")
"""Checkpoints that a job with `pretrained` starts from."""


def publish(run: Run, folder: Path) -> dict[str, Any]:
    """Write the parts in half precision, with a card of how they were made and how good they are.

    Raises:
        CheckpointError: a part was not trained in this run, or not yet.
    """
    card: dict[str, Any] = {
        "made_by": "octoworld worldenv --config config.yaml",
        "published_at": code_version(),
        "hardware": hardware(),
        "seed": run.config.seed,
        "true_episodes": true_episodes(run),
        "parts": {},
    }
    with atomic_folder(folder) as temporary:
        for part in PARTS:
            source = run.path("checkpoints", part)
            facts = run.record(part) if run.is_done(part) else {"pretrained": 1}
            if not source.is_dir() or "pretrained" in facts:
                raise CheckpointError(f"{run.folder} has not trained its own {part}")
            for file in sorted(source.iterdir()):
                if file.suffix == ".safetensors":
                    tensors = load_tensors(file)
                    halved = {
                        k: v.half() if v.is_floating_point() else v for k, v in tensors.items()
                    }
                    save_tensors(temporary / part / file.name, halved)
                else:
                    (temporary / part).mkdir(exist_ok=True)
                    shutil.copy(file, temporary / part / file.name)
            card["parts"][part] = facts
        shutil.copy(run.path("config.yaml"), temporary / "config.yaml")
        sheet = imagined_sheet(worldmodel(run), heldout_episodes(run), run.config)
        write_png(temporary / "imagined.png", sheet)
        write_json(temporary / "card.json", card)
    return card
