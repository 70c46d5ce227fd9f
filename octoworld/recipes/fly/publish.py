"""Publish a trained controller: weights, how it was trained, and how good it is, in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.errors import CheckpointError
from octoworld.core.io import atomic_folder, read_json, write_json

from ..stages import Run


def publish(run: Run, folder: Path) -> dict[str, Any]:
    """Write the best controller of a finished training to `folder`, with its card.

    FOLDER/config.json, model.safetensors  what `octoworld.load_policy` reads
    FOLDER/training.yaml                   `octoworld train --config` makes it anew from this
    FOLDER/card.json                       task, cost, success on the test starts

    Args:
        run: of `octoworld train`.
        folder: an older one is replaced at once when all is there.

    Raises:
        CheckpointError: the training has not finished, or made no test.
    """
    path = run.path("outcome.json")
    outcome = read_json(path) if path.exists() else {}
    if "test" not in outcome:
        raise CheckpointError(
            f"{run.folder} has no test of a finished training: `octoworld train --resume` ends it, "
            "and test_episodes must be above 0"
        )
    name = folder.name
    card = {
        "task": run.config.task,
        "algo": run.config.algo,
        "made_by": f"octoworld train --config assets/checkpoints/{name}/training.yaml",
        "commit": code_version(),
        "hardware": hardware(),
        **{k: outcome[k] for k in ("stopped", "steps", "best_step", "seconds", "cpu_seconds")},
        "selection_success": outcome["selection_success"],
        "test": outcome["test"],
    }
    with atomic_folder(folder) as temporary:
        for file in sorted(run.path("checkpoints", "best").iterdir()):
            shutil.copy(file, temporary / file.name)
        shutil.copy(run.path("config.yaml"), temporary / "training.yaml")
        write_json(temporary / "card.json", card)
    return card
