"""What the viewer opens: a run folder, or one data set, and the columns it knows how to show.

    RUN/
      config.yaml            the run's configuration (shown as text; optional)
      results.json           {"title": str, "rows": [{...}, ...]} (optional)
      **/metrics.jsonl       training curves (optional)
      scene.xml              self-contained MJCF of the world (optional)
      episodes/<name>/       LeRobot v3 data sets; one may hold a scene.xml of its own

Columns of an episode, row t being the moment before action t:

    observation.images.<camera>   (T, H, W, 3) uint8, what the camera saw
    observation.images.imagined.<camera>
                                  (T, H, W, 3) uint8, what the world model drew for the same moment
                                  (to other LeRobot tools it is one more camera)
    scene_state, else sim_state   (T, S) float64: mjSTATE_INTEGRATION, then 4 colours per geom
    action                        (T, A), what was commanded
    expert.action                 (T, A), what the expert would have done in the same moment
    recovered.action              (T, K), what an inverse-dynamics model reads off the imagined
                                  frames t and t + 1, in the units of `action`; its K names are
                                  those of the elements of `action` that it can tell
    recovered.is_read             (T,) bool, False where nothing could be read (spoiled frames; the
                                  last row, which no frame follows): drawn as a gap
    policy.value                  (T,), discounted return that the policy's critic still expects
    policy.advantage              (T,), how much better action t turned out than the critic expected
                                  (GAE; info["advantage"] holds its `discount` and `trace`)
    next.reward, next.success     (T,), judged after action t
    reflector.probability         (T,) success probability that the reflector gives
    reflector.progress            (T,) progress in [0, 1]
    reflector.stop                (T,) bool, whether it called the episode done
    info["reflector_threshold"]   probability from which the reflector stops an episode

Only images or sim_state must be there; each panel says which column it lacks.

A row of results.json holds `name`, `before`, `after` and, if known, `ci` ([low, high] of the
change) and `verdict`; other keys become columns of the table too. With `"unit": "share"` beside
`rows` these three are shares and shown in percent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset

TRUE_IMAGES = "observation.images."
IMAGINED_IMAGES = "observation.images.imagined."
SIM_STATE = "sim_state"
SCENE_STATE = "scene_state"
"""Of worlds whose `sim_state` is in another engine's form."""
ACTION, EXPERT_ACTION = "action", "expert.action"
RECOVERED_ACTION, IS_READ = "recovered.action", "recovered.is_read"
VALUE, ADVANTAGE = "policy.value", "policy.advantage"
REWARD, SUCCESS = "next.reward", "next.success"
PROBABILITY = "reflector.probability"
PROGRESS = "reflector.progress"
STOP = "reflector.stop"
THRESHOLD = "reflector_threshold"


@dataclass
class Recording:
    """A run on disk: its data sets by name, its scene and its results."""

    folder: Path
    datasets: dict[str, Dataset]
    results: Any = None
    """Content of results.json; None when there is none."""
    config_text: str = ""
    problems: list[str] = field(default_factory=list)
    """What is damaged and left out, a line each."""
    _scenes: dict[str, Path] = field(default_factory=dict)
    _changed: dict[str, int] = field(default_factory=dict)
    """When each data set of `folder` was written last, as far as it was read."""

    def refresh(self) -> list[str]:
        """Read what a running job has written since: names of data sets that are new or grew."""
        found = _find(self.folder)
        grown = [name for name, place in found.items() if _time(place) > self._changed.get(name, 0)]
        for name in grown:
            self._changed[name] = _time(found[name])
            try:
                self.datasets[name] = Dataset(found[name])
            except DatasetError:  # half of an old one and half of a new one: the next time
                self._changed[name] = 0
        self._scenes |= _scenes_of({name: found[name] for name in grown})
        return [name for name in grown if self._changed[name]]

    def scene_path(self, dataset: str) -> Path | None:
        """The MJCF file of a data set's world: its own, else the run's, else None."""
        return self._scenes.get(dataset)

    def episode(self, dataset: str, index: int, *, lazy: bool = False) -> Episode:
        """One episode; with `lazy`, its video is decoded when it is looked at."""
        return self.datasets[dataset].episode(index, lazy=lazy)

    def beside(self, other: Recording) -> Recording:
        """Both in one: the data sets of `other` under `<its folder>/<name>`."""
        run = other.folder.absolute().name
        if run == self.folder.absolute().name:
            run = f"{other.folder.absolute().parent.name}/{run}"
        return replace(
            self,
            datasets=self.datasets | {f"{run}/{k}": d for k, d in other.datasets.items()},
            problems=[*self.problems, *other.problems],
            _scenes=self._scenes | {f"{run}/{k}": s for k, s in other._scenes.items()},
        )


def open_recording(path: Path | str) -> Recording:
    """Open a run folder or one LeRobot v3 data set; what is damaged is left out and named.

    Raises:
        DatasetError: nothing there that can be shown; the message says what was expected.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is not a folder; expected a run folder (holding episodes/<name>/) or a "
            "LeRobot v3 data set (holding meta/info.json)"
        )
    found = _find(folder)
    if not found and not is_training(folder):
        raise DatasetError(
            f"{folder} holds no recording; expected episodes/<name>/meta/info.json (a run folder), "
            "meta/info.json (a LeRobot v3 data set) or metrics.jsonl (a training run)"
        )
    problems: list[str] = []
    datasets = {}
    for name, place in sorted(found.items()):
        try:
            datasets[name] = Dataset(place)
            if not len(datasets[name]):
                raise DatasetError(f"{place} has no episodes")
        except DatasetError as error:
            datasets.pop(name, None)
            problems.append(str(error))
    if found and not datasets:
        raise DatasetError("; ".join(problems))
    return Recording(
        folder=folder,
        datasets=datasets,
        results=_read_results(folder / "results.json", problems),
        config_text=_read_text(folder / "config.yaml", problems),
        problems=problems,
        _scenes=_scenes_of(found),
        _changed={name: _time(found[name]) for name in datasets},
    )


def is_training(folder: Path) -> bool:
    """Whether a training writes its metrics here; what it records may come later."""
    return next(folder.rglob("metrics.jsonl"), None) is not None


def _find(folder: Path) -> dict[str, Path]:
    """Data sets in a run folder, or the one that it is, by name."""
    if (folder / "meta" / "info.json").exists():
        return {folder.absolute().name: folder}
    return {p.parents[1].name: p.parents[1] for p in folder.glob("episodes/*/meta/info.json")}


def _scenes_of(found: dict[str, Path]) -> dict[str, Path]:
    """The scene of each data set that has one."""
    scenes = {}
    for name, place in sorted(found.items()):
        options = (place / "scene.xml", place.absolute().parents[1] / "scene.xml")
        known = [p for p in options if p.exists()]
        if known:
            scenes[name] = known[0]
    return scenes


def _time(dataset: Path) -> int:
    """When the data set was written last; 0 if it is gone."""
    try:
        return (dataset / "meta" / "info.json").stat().st_mtime_ns
    except OSError:
        return 0


def cameras(episode: Episode) -> list[str]:
    """Cameras with true or imagined images, true ones first."""
    true, imagined = _split(episode)
    return list(dict.fromkeys([*true, *imagined]))


def true_images(episode: Episode, camera: str) -> NDArray[np.uint8] | None:
    """What the camera saw, (T, H, W, 3), or None when this episode lacks it."""
    column = _split(episode)[0].get(camera)
    return None if column is None else episode[column]


def imagined_images(episode: Episode, camera: str) -> NDArray[np.uint8] | None:
    """What the world model drew for the camera, (T, H, W, 3), or None."""
    column = _split(episode)[1].get(camera)
    return None if column is None else episode[column]


def _split(episode: Episode) -> tuple[dict[str, str], dict[str, str]]:
    """Columns of true and of imagined images, by camera."""
    true: dict[str, str] = {}
    imagined: dict[str, str] = {}
    for column, values in episode.columns.items():
        if values.ndim != 4 or values.shape[-1] != 3:  # other writers' depth, for one
            continue
        if column.startswith(IMAGINED_IMAGES):
            imagined[column.removeprefix(IMAGINED_IMAGES)] = column
        elif column.startswith(TRUE_IMAGES):
            true[column.removeprefix(TRUE_IMAGES)] = column
    return true, imagined


def scene_rows(episode: Episode) -> NDArray[np.float64] | None:
    """How the world looked at each step, (T, S), or None."""
    return episode.columns.get(SCENE_STATE, episode.columns.get(SIM_STATE))


def signal(episode: Episode, column: str) -> NDArray[np.float64] | None:
    """A column of one number a step, (T,), or None when this episode lacks it."""
    values = episode.columns.get(column)
    return (
        None if values is None else np.asarray(values, np.float64).reshape(len(episode), -1)[:, 0]
    )


def outcome(episode: Episode) -> str:
    """How it went, in words: success, steps, return, what the reflector said at the end."""
    facts = [f"{len(episode)} steps"]
    success, reward = signal(episode, SUCCESS), signal(episode, REWARD)
    if success is not None:
        facts.insert(0, "success" if success[-1] else "failure")
    if reward is not None:
        facts.append(f"return {reward.sum():.2f}")
    probability = signal(episode, PROBABILITY)
    if probability is not None:
        facts.append(f"reflector {probability[-1]:.2f} at the end")
    return ", ".join(facts)


def missing(episode: Episode, scene: Path | None) -> list[str]:
    """What this episode cannot show, a line each."""
    lines = []
    if scene is None:
        lines.append("no `scene.xml` in the run folder: no 3D replay")
    if scene_rows(episode) is None:
        lines.append("no column `sim_state`: no 3D replay")
    true, imagined = _split(episode)
    if not true:
        lines.append("no columns `observation.images.<camera>`: no true video")
    if not imagined:
        lines.append(
            "no columns `observation.images.imagined.<camera>`: nothing imagined to compare"
        )
    if PROBABILITY not in episode.columns:
        lines.append("no column `reflector.probability`: no reflector plot")
    return lines


def _read_text(path: Path, problems: list[str]) -> str:
    try:
        return path.read_text() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path} cannot be read ({error})")
        return ""


def _read_results(path: Path, problems: list[str]) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path} is not JSON ({error}); delete it or run the job again")
        return None
