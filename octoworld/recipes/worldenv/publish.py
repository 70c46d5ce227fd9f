"""Publish what a run has learned as small checkpoints that another run can start from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.errors import CheckpointError
from octoworld.core.io import atomic_folder, load_tensors, read_json, save_tensors, write_json
from octoworld.viewer.frames import write_png

from ..stages import Run
from .learning import PARTS, heldout_episodes, worldmodel
from .picture import imagined_sheet
from .recordings import true_episodes


def publish(run: Run, folder: Path) -> dict[str, Any]:
    """Write the parts in half precision, with a card of how they were made and how good they are.

    Parts that the run took from published ones keep their old figures and say where they are from.

    Raises:
        CheckpointError: a part was not trained in this run, or not yet, and was not published.
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
            if not source.is_dir() or not run.is_done(part):
                raise CheckpointError(f"{run.folder} has not trained its {part} yet")
            facts = _history(run, part) | run.record(part)
            for file in sorted(source.iterdir()):
                if file.suffix == ".safetensors":
                    tensors = load_tensors(file)
                    halved = {
                        k: v.half() if v.is_floating_point() else v for k, v in tensors.items()
                    }
                    save_tensors(temporary / part / file.name, halved)
                elif file.name == "config.json":
                    # diffusers notes where it loaded a model from, which is nobody's business
                    told = {k: v for k, v in read_json(file).items() if k != "_name_or_path"}
                    write_json(temporary / part / file.name, told)
                else:
                    (temporary / part).mkdir(exist_ok=True)
                    shutil.copy(file, temporary / part / file.name)
            card["parts"][part] = facts
        shutil.copy(run.path("config.yaml"), temporary / "config.yaml")
        sheet = imagined_sheet(worldmodel(run), heldout_episodes(run), run.config)
        write_png(temporary / "imagined.png", sheet)
        write_json(temporary / "card.json", card)
    return card


def _history(run: Run, part: str) -> dict[str, Any]:
    """Figures of the published part that this run took or trained further; {} if it took none."""
    if "pretrained" not in run.record(part):
        return {}
    folder = Path(run.config.pretrained)
    if not (folder / "card.json").exists():
        raise CheckpointError(f"{run.folder} took its {part} from {folder}, which has no card.json")
    card = read_json(folder / "card.json")
    return {"before": {"published_at": card["published_at"], **card["parts"][part]}}
