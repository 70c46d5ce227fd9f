"""Export: one episode of a recording as a film, as a page that plays offline, or for Rerun."""

from __future__ import annotations

from pathlib import Path

from octoworld.core.errors import ConfigError, DatasetError

from .films import write_film
from .offline import write_offline
from .recording import open_recording
from .rerun_file import write_rerun

KINDS = (".mp4", ".html", ".rrd")


def export_episode(
    run: Path | str, path: Path | str, *, dataset: str | None = None, episode: int = 0
) -> Path:
    """Write one episode to `path`, in the form that its ending names; returns `path`.

        .mp4    a film: each camera a row of true, imagined and difference
        .html   a page that plays offline: the films, plots of reward, reflector and actions, facts
        .rrd    for Rerun: cameras, plots and bodies in 3D on one timeline (extra `rerun`)

    The file appears whole or not at all.

    Args:
        run: a run folder, or one LeRobot v3 data set.
        path: the file; one that is there is replaced.
        dataset: name of a data set of the run; needed where it has several.
        episode: number in that data set, from 0.

    Raises:
        ConfigError: another ending; several data sets and none named.
        DatasetError: no such recording, data set or episode, a damaged one, or nothing to film.
        DependencyError: .rrd, and rerun-sdk is not installed.
    """
    path = Path(path)
    if path.suffix not in KINDS:
        raise ConfigError(f"export to {path.name!r}: expected an ending of {', '.join(KINDS)}")
    if path.is_dir():
        raise ConfigError(f"export to {path}: that is a folder; expected a file")
    recording = open_recording(run)
    names = list(recording.datasets)
    if dataset is None and len(names) > 1:
        raise ConfigError(f"{run} has several data sets; name one: --dataset {'|'.join(names)}")
    name = names[0] if dataset is None else dataset
    if name not in names:
        raise DatasetError(f"data set {name!r} is not in {run}; it has {', '.join(names)}")
    found, title = recording.episode(name, episode), f"{name}, episode {episode}"
    if path.suffix == ".mp4":
        return write_film(path, found)
    if path.suffix == ".html":
        return write_offline(path, found, title=title)
    return write_rerun(path, found, recording.scene_path(name), title=title)
