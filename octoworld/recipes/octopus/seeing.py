"""Seeing: the eye is taught once, by pictures of training homes; all policies look through it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.io import atomic_folder, write_json
from octoworld.core.rng import derive_seed
from vla.programmer.tiny import Eye, Stills, TinyProgrammer, train_eye

from .config import OctopusConfig
from .language import GRAMMAR, KNOWN, LABELS
from .scenes import load_stills

HELD_BACK = 20
"""One picture in so many tells how well the eye sees, and teaches nothing."""


def learn_to_see(config: OctopusConfig, folder: Path) -> None:
    """Train the eye, and keep it in a policy whose other weights are new.

    Raises:
        CheckpointError: `config.taught` holds no eye, or one that looks or names things otherwise.
    """
    place = folder / "eye"
    if (place / "policy" / "config.json").exists():
        return
    if config.taught:
        take(config, Path(config.taught), place)
        return
    stills = load_stills(config, folder)
    # whole homes are held back, not single pictures of them
    cut = max(1, len(stills) // HELD_BACK)
    eye = train_eye(stills[cut:], LABELS, GRAMMAR.nouns, config.eye, place, seed=0)
    write_json(place / "sight.json", sight(eye, stills[:cut]))
    model = fresh(config, 0)
    model.eye.load_state_dict(eye.state_dict())
    model.save_pretrained(place / "policy")


def take(config: OctopusConfig, source: Path, place: Path) -> None:
    """Copy the eye that `learn_to_see` left in `source`, and what it was found to see."""
    found = TinyProgrammer.from_pretrained(source / "policy").config
    for name in ("eye", "labels"):
        theirs, ours = getattr(found, name), getattr(config.model(), name)
        if theirs != ours:
            raise CheckpointError(
                f"{source}: an eye with other settings ({name}) than the config's; leave `taught` "
                "empty to train one"
            )
    with atomic_folder(place) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)


def fresh(config: OctopusConfig, seed: int, matches_feedback: bool = False) -> TinyProgrammer:
    """A policy with new weights, the eye's too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "octopus", "weights"))
        return TinyProgrammer(config.model(matches_feedback))


def new_policy(
    config: OctopusConfig, seed: int, folder: Path, matches_feedback: bool = False
) -> TinyProgrammer:
    """A policy with new weights behind the eye that has been taught."""
    model = fresh(config, seed, matches_feedback)
    taught = TinyProgrammer.from_pretrained(folder / "eye" / "policy")
    model.eye.load_state_dict(taught.eye.state_dict())
    return model


@torch.no_grad()
def sight(eye: Eye, stills: Stills) -> dict[str, float]:
    """Precision and recall over labels at probability 0.5, by kind of label."""
    said = torch.cat([eye.recognise(eye(part)) > 0.5 for part in stills.images.split(512)])
    groups = {"places": [], "states": [], "things": [], "colours": [], "dirt": []}
    for i, label in enumerate(LABELS):
        words = label.split()
        if not KNOWN[i]:
            continue
        group = (
            ("dirt" if words[0] == "dirty" else "colours") if len(words) > 1
            else "states" if label in ("open", "on")
            else "places" if i < LABELS.index("open") else "things"
        )  # fmt: skip
        groups[group].append(i)
    found: dict[str, float] = {}
    for group, columns in groups.items():
        yes, truth = said[:, columns], stills.present[:, columns]
        hits = float((yes & truth).sum())
        found[f"{group} precision"] = hits / max(float(yes.sum()), 1.0)
        found[f"{group} recall"] = hits / max(float(truth.sum()), 1.0)
    return found
