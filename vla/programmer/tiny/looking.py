"""Looking: from what an agent is shown and told to the columns that the network reads."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from octoworld.core.errors import ConfigError

from .model import IN_ROOM, NOWHERE, Seen, TinyProgrammer

_AT = re.compile(r"^at: (.*)$", re.MULTILINE)
_ROOMS = re.compile(r"^rooms: (.*)$", re.MULTILINE)
_ROOM = re.compile(r"(\w+) \(([^)]*)\)")
_FAILED = re.compile(r"^.*(?:FAILED|stopped at).*$", re.MULTILINE)


@torch.no_grad()
def look(model: TinyProgrammer, images: torch.Tensor) -> torch.Tensor:
    """Pictures (P, H, W, 3) uint8 -> features (P, F) float16, as they are kept.

    Raises:
        ConfigError: pictures of another size than the eye's.
    """
    size = model.config.eye.image_size
    if images.ndim != 4 or tuple(images.shape[1:]) != (*size, 3) or images.dtype != torch.uint8:
        raise ConfigError(
            f"pictures are {tuple(images.shape)} {images.dtype}, expected (P, {size[0]}, {size[1]},"
            " 3) uint8: set the scene's image_size"
        )
    return model.eye(images).half()


def understand(
    model: TinyProgrammer,
    features: torch.Tensor,
    places: Sequence[str],
    instruction: str,
    state: str = "",
    feedback: str = "",
) -> Seen:
    """One scene (B = 1) from its pictures' features and what is told.

    `state` is the text of a view, of which `at: place` says where the robot is, and
    `rooms: kitchen (sink_1, stove_1); bedroom (bed_1)` what stands where.
    """
    at = where(state, places)
    words = model.read(instruction, _ROOMS.sub("", _AT.sub("", state)), feedback)
    return Seen(
        features=features.float()[None],
        pictures=torch.ones(1, len(places), dtype=torch.bool),
        at=torch.tensor([at]),
        mentioned=torch.tensor([mentions(feedback, places, instruction, state)]),
        words=torch.tensor([words]),
    )


def where(state: str, places: Sequence[str]) -> int:
    """Index of the place that a view's text names, or NOWHERE."""
    found = _AT.search(state)
    return list(places).index(found[1]) if found and found[1] in places else NOWHERE


def mentions(
    feedback: str, places: Sequence[str], instruction: str = "", rooms: str = ""
) -> list[int]:
    """What is said of each place, as `Seen.mentioned`; `rooms` is a view's text."""
    failed = "\n".join(_FAILED.findall(feedback))
    meant = _meant(instruction, rooms)

    def of(place: str) -> int:
        word = rf"\b{re.escape(place)}\b"
        if not feedback or re.search(word, feedback) is None:
            return IN_ROOM * (place in meant)
        return 1 + (re.search(word, failed) is not None) + IN_ROOM * (place in meant)

    return [of(place) for place in places]


def _meant(instruction: str, rooms: str) -> set[str]:
    """Places in rooms that an instruction names."""
    told = _ROOMS.search(rooms)
    return {
        place
        for room, names in _ROOM.findall(told[1] if told else "")
        if room.replace("_", " ") in instruction.lower()
        for place in names.split(", ")
    }
