"""A world model of fewer sampling steps from a trained one, beside it on held-out recordings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octoworld.core.config import load_config, save_config, to_dict
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import atomic_folder, write_json
from octoworld.core.rng import torch_generator
from worldmodels.autoencoder import encode_dataset
from worldmodels.checkpoint import load_latent_model
from worldmodels.flow import DistillConfig, FlowWorldModel, distill_flow, with_steps
from worldmodels.metrics import rollout_report

from .worldmodel_data import load_episodes, open_datasets
from .worldmodel_eval import check_length, run_facts
from .worldmodel_rlir import SAME
from .worldmodel_train import check_model

SETTINGS = "distill.yaml"


def distill_worldmodel(
    run: Path,
    folders: Sequence[Path],
    held_out: Path,
    config: DistillConfig,
    out: Path,
    *,
    seed: int,
    device: str = "cpu",
    starts: int = 128,
    chunks: int = 5,
) -> dict[str, Any]:
    """A student of a run's flow model in the run folder `out`; figures of teacher and student.

    Args:
        run: run folder of `train_worldmodel`.
        folders: recordings from whose moments both imagine; nothing in them is imitated.
        held_out: recordings on which both are measured.
        config: steps and training.
        out: run folder of the result; a stopped one goes on.
        seed: of all random streams.
        device: where to train.
        starts: held-out roll-outs.
        chunks: their length.

    Raises:
        CheckpointError: a part is missing or damaged, or `out` holds a run of other settings.
        ConfigError: the run's model is no flow model, or does not take more steps than the student.
        DatasetError: recordings of another robot, or too short ones.
    """
    facts, _ = run_facts(run)
    teacher = load_latent_model(run / "worldmodel")
    if not isinstance(teacher, FlowWorldModel):
        raise ConfigError(
            f"{run} holds a {type(teacher).__name__}, which takes no Euler steps: expected a "
            "FlowWorldModel"
        )
    check_model(teacher, facts)
    teacher.to(device)  # type: ignore[arg-type]
    data, unseen = (load_episodes(open_datasets(x), facts) for x in (folders, [held_out]))
    check_length(unseen, chunks * teacher.max_chunk, str(held_out))
    for part in (data, unseen):
        encode_dataset(teacher.autoencoder, part)
    place = out / SETTINGS
    if place.exists() and to_dict(load_config(DistillConfig, place)) != to_dict(config):
        raise CheckpointError(f"{out} holds a run of other settings (see {SETTINGS}); use another")
    save_config(config, place)
    student, metrics = distill_flow(teacher, data, config, out / "distill", seed=seed)
    models = {
        "teacher": teacher,
        "teacher with the student's steps": with_steps(teacher, config.steps),
        "student": student,
    }
    told: dict[str, Any] = {"training": metrics}
    for name, model in models.items():
        report = rollout_report(
            model, unseen, torch_generator(seed, "distill", "report"), num_starts=starts,
            chunks=chunks,
        )  # fmt: skip
        told[name] = {"sampling_steps": model.settings.sampling_steps, **report.as_dict()}
    with atomic_folder(out / "worldmodel") as temporary:
        student.save_pretrained(str(temporary))
    for name in SAME:
        shutil.copy(run / name, out / name)
    write_json(out / "distilled.json", told)
    return told


def distilled_table(told: dict[str, Any]) -> str:
    """Figures at the last horizon, as Markdown."""
    lines = [
        "| model | Euler steps | horizon [steps] | PSNR [dB] | SSIM | moved objects recalled |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in told.items():
        if name == "training":
            continue
        lines.append(
            f"| {name} | {row['sampling_steps']} | {row['steps'][-1]} | {row['psnr'][-1]:.2f} | "
            f"{row['ssim'][-1]:.3f} | {100 * row['moved_object_recall'][-1]:.1f} % |"
        )
    return "\n".join(lines)
