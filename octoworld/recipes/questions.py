"""What may be asked about table-top episodes, and what recorded or imagined pictures answer.

The tasks share one scene, so every recorded step answers the instructions of all of them; and a
colour that is not on the table makes any of them a request that nothing fulfils.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.core.registry import TASKS
from octoworld.data.episode import Episode
from tasks.language import COLOR_NAMES, Templates
from tasks.manipulation.hindsight import (
    SEEN,
    Hindsight,
    Places,
    judge_places,
    places_of,
    places_read,
)
from tasks.manipulation.objects import object_state
from tasks.suites import SCENES
from worldmodels.dataset import EpisodeDataset
from worldmodels.latent_model import LatentWorldModel
from worldmodels.reflector.questions import Question, near_success, recorded_questions
from worldmodels.reflector.train import Asked
from worldmodels.replay import ReplayConfig, Replayed, objects_seen, replay

NEAR_STEPS = 8
"""Steps from success that count as near."""
NEAR_MARGIN = 0.04
"""Places that miss success by less than this count as near [m]."""
FAR_MARGIN = 0.15
"""Margins are told up to this [m]."""
TABLETOP = SCENES["table"]
"""Tasks of the one scene."""
MEMORY = ("block_color", "gripper", "wording", "zone_color")
"""Columns of `task_memory` of a table-top task."""


@dataclass(frozen=True)
class PictureConfig:
    """When the answer of an imagined picture is believed."""

    sure_margin: float = 0.02
    """Where truth and picture disagree, the picture must be this far from the limit of success to
    be believed [m]: readers of pictures err by about a centimetre."""


def recorded_places(episode: Episode) -> Places:
    """Where things truly were in an episode."""
    return places_of(episode["observation.state"], episode["observation.environment_state"])


def recorded_objects(episodes: Sequence[Episode]) -> torch.Tensor:
    """Where things truly were in every row of episodes, `OBJECTS` (F, 17) float32."""
    told = [
        object_state(e["observation.state"], e["observation.environment_state"]) for e in episodes
    ]
    return torch.from_numpy(np.concatenate(told))


def tabletop_questions(episodes: Sequence[Episode], tasks: Sequence[str]) -> list[list[Question]]:
    """For each episode its own instruction, then every task in all wordings, right and wrong.

    Raises:
        DatasetError: an episode does not tell the colours of its things.
    """
    return [_asked(episode, tasks, recorded_places(episode)) for episode in episodes]


def imagined_questions(
    imagined: Replayed,
    truth: EpisodeDataset,
    tasks: Sequence[str],
    objects: torch.Tensor,
    config: PictureConfig | None = None,
) -> list[list[Question]]:
    """The same of imagined rows: what their *pictures* answer.

    A picture is right to look like success where the world model imagines success, true or not. So
    a reader of pictures says what is seen (`objects` (F, 17), `OBJECTS`), the true replay of the
    same actions says what ought to be; where they agree the answer is sure, where they differ the
    picture's counts if it is clear, and else nobody is sure.
    """
    config = config or PictureConfig()
    found = []
    for number, rows in enumerate(imagined.rows):
        episode = imagined.dataset.episodes[number]
        mine = imagined.dataset.rows(number)
        start = int(truth.starts[imagined.episode[number]])
        true = _cut(recorded_places(episode), rows - start)
        seen = places_read(
            imagined.dataset.proprio[mine].numpy(), objects[mine].numpy(), true.zone[0], episode.fps
        )
        found.append(_asked(episode, tasks, true, seen, config))
    return found


def tasks_asked(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """Tasks that can be asked about episodes: those of the table-top if all are of it, or ()."""
    needed = {"observation.environment_state", "task_memory"}
    known = all(e.info.get("task") in TABLETOP and needed <= e.columns.keys() for e in episodes)
    return TABLETOP if known else ()


def real_questions(data: EpisodeDataset, tasks: Sequence[str]) -> Asked:
    """Recorded rows and what is asked about them; without `tasks`, what recordings alone tell."""
    told = tabletop_questions(data.episodes, tasks) if tasks else recorded_questions(data)
    return data, told


def imagined(
    model: LatentWorldModel,
    data: EpisodeDataset,
    config: ReplayConfig,
    generator: torch.Generator,
    tasks: Sequence[str],
) -> Asked:
    """What a world model makes of recorded actions, and what is asked about that.

    With `tasks` pictures answer for themselves, by the model's own eyes; without, the recorded
    answer counts as much as imagination agrees with the recording.
    """
    made = replay(model, data, config, generator)
    if tasks and model.eyes is not None:
        seen = objects_seen(model, made.dataset)
        return made.dataset, imagined_questions(made, data, tasks, seen)
    return made.dataset, recorded_questions(made.dataset, made.trust, words_of=data)


def _asked(
    episode: Episode,
    tasks: Sequence[str],
    true: Places,
    seen: Places | None = None,
    config: PictureConfig | None = None,
) -> list[Question]:
    block, zone = colours(episode)
    asked = []
    for task in tasks:
        templates = TASKS.get(task).templates
        right = judge_places(task, true)
        sure = np.ones(len(right.success), np.float32)
        if seen is not None and config is not None:
            right, sure = _believed(right, judge_places(task, seen, SEEN), config)
        near = near_success(right.success, NEAR_STEPS)
        near |= ~right.success & (np.abs(right.margin) < NEAR_MARGIN)
        told = _told(true, right)
        if seen is not None:
            told = np.full_like(told, np.nan)
        texts = tuple(templates.fill(w, block=block, zone=zone) for w in range(len(templates)))
        asked.append(Question(task, texts, right.success, right.progress, near, sure, told))
        if other := _wrong_texts(templates, block, zone):
            no, unknown = np.zeros_like(right.success), np.full_like(right.progress, np.nan)
            blind = told.copy()
            blind[:, -7:] = np.nan  # nothing is meant
            asked.append(Question(task, other, no, unknown, right.success, sure, blind, wrong=True))
    own = str(episode.info["task"])
    mine = next((q for q in asked if q.name == own and not q.wrong), None)
    if mine is None:
        raise DatasetError(f"an episode of {own} among tasks {', '.join(tasks)}")
    return [replace(mine, texts=(episode.instruction,)), *asked]


def _believed(
    true: Hindsight, seen: Hindsight, config: PictureConfig
) -> tuple[Hindsight, NDArray[np.float32]]:
    agree = true.success == seen.success
    # a picture that is far from the limit shows failure, whatever else; success needs all of it
    clear = np.abs(seen.margin) > config.sure_margin
    clear &= (seen.margin < 0) | seen.success
    return seen, (agree | clear).astype(np.float32)


def colours(episode: Episode) -> tuple[str, str]:
    """Names of the block's and the zone's colour, which stand in the task's memory."""
    memory = episode.columns.get("task_memory")
    if memory is None or memory.shape[1] < len(MEMORY):
        raise DatasetError("episodes need the column `task_memory`, of which colours are read")
    if memory.shape[1] != len(MEMORY):
        raise DatasetError("episodes with drawn physics do not tell their colours")
    named = dict(zip(MEMORY, memory[0], strict=True))
    return COLOR_NAMES[int(named["block_color"])], COLOR_NAMES[int(named["zone_color"])]


def _wrong_texts(templates: Templates, block: str, zone: str) -> tuple[str, ...]:
    pairs = [(b, z) for b in COLOR_NAMES for z in COLOR_NAMES if (b, z) != (block, zone)]
    right = {templates.fill(w, block=block, zone=zone) for w in range(len(templates))}
    texts = {templates.fill(w, block=b, zone=z) for w in range(len(templates)) for b, z in pairs}
    return tuple(sorted(texts - right))


def _told(places: Places, right: Hindsight) -> NDArray[np.float32]:
    margin = right.margin.clip(-FAR_MARGIN, FAR_MARGIN)[:, None]
    return np.concatenate([places.vector(), right.meant, margin], 1, dtype=np.float32)


def _cut(places: Places, rows: NDArray[np.int64]) -> Places:
    return Places(**{name: value[rows] for name, value in vars(places).items()})
