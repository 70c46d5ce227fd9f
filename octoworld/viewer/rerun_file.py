"""One episode as a Rerun recording: cameras, plots and bodies in 3D on one timeline.

    /cameras/<camera>/true        EncodedImage (PNG, without loss)
    /cameras/<camera>/imagined    the same
    /cameras/<camera>/difference  the same, where both are there
    /plots/<plot>                 Scalars, one series a curve
    /world/<body>                 Mesh3D (fixed) and Transform3D (position [m], xyzw)
    /facts                        TextDocument: instruction, outcome, facts of the episode

Everything lies on the timelines `step` and `time` [s]. Columns are sent whole, which Rerun takes a
hundred times faster than one call a step.
"""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DependencyError
from octoworld.core.io import atomic_file
from octoworld.data.episode import Episode
from octoworld.data.layout import encode_png

from .films import tiles
from .physics import PhysicsReplay
from .plots import curves_of
from .recording import cameras, outcome, scene_rows

VISUAL_GROUPS = 3
"""Geoms of MuJoCo's groups 0 to 2 are looks, the others are for collisions."""


def write_rerun(
    path: Path | str, episode: Episode, scene: Path | None = None, *, title: str = ""
) -> Path:
    """Write an episode as `.rrd`, atomically; returns its path.

    Args:
        path: the file.
        episode: what happened.
        scene: MJCF of its world, for the bodies in 3D; None, or a scene that the episode's states
            do not fit, leaves them out.
        title: name of the recording in Rerun.

    Raises:
        DependencyError: rerun-sdk is not installed.
        DatasetError: the scene cannot be read.
    """
    rr = _rerun()
    with atomic_file(path) as temporary:
        stream = rr.RecordingStream("octoworld")
        stream.save(temporary)
        stream.send_recording_name(title or episode.instruction)
        _send(rr, stream, episode, scene)
        stream.flush()
        stream.disconnect()
    return Path(path)


def _rerun() -> Any:
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise DependencyError(
            f"export to .rrd needs rerun-sdk ({error}): pip install 'octoworld[rerun]'"
        ) from None


def _send(rr: Any, stream: Any, episode: Episode, scene: Path | None) -> None:
    steps = np.arange(len(episode))
    times = [rr.TimeColumn("step", sequence=steps)]
    times += [rr.TimeColumn("time", duration=steps / episode.fps)]
    lines = [f"# {episode.instruction}", outcome(episode)]
    lines += [f"- {name}: {value}" for name, value in episode.info.items()]
    stream.log(
        "facts", rr.TextDocument("\n\n".join(lines), media_type="text/markdown"), static=True
    )
    for camera in cameras(episode):
        _, captions = tiles(episode, camera, 0)
        coded: list[list[bytes]] = [[] for _ in captions]
        for step in range(len(episode)):
            for blobs, image in zip(coded, tiles(episode, camera, step)[0], strict=True):
                blobs.append(encode_png(image))
        for caption, blobs in zip(captions, coded, strict=True):
            place = f"cameras/{rr.escape_entity_path_part(camera)}/{caption.split()[0]}"
            columns = rr.EncodedImage.columns(blob=blobs, media_type=["image/png"] * len(blobs))
            stream.send_columns(place, times, columns)
    for plot, curves in curves_of(episode):
        place = f"plots/{rr.escape_entity_path_part(plot)}"
        colors = [[int(c.color[i : i + 2], 16) for i in (1, 3, 5)] for c in curves]
        names = [curve.name for curve in curves]
        stream.log(place, rr.SeriesLines(names=names, colors=colors), static=True)
        values = np.stack([curve.values for curve in curves], axis=1)
        stream.send_columns(place, times, rr.Scalars.columns(scalars=values))
    rows = scene_rows(episode)
    if scene is not None and rows is not None:
        _send_bodies(rr, stream, times, PhysicsReplay(scene), rows)


def _send_bodies(
    rr: Any, stream: Any, times: list[Any], replay: PhysicsReplay, rows: NDArray[np.float64]
) -> None:
    if replay.misfit(rows.shape[1]) is not None:
        return
    model, data = replay.model, replay.data
    replay.show(rows[0])  # colours of this episode
    stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    places = {}
    for body in range(model.nbody):
        mesh = _mesh(model, body)
        if mesh is not None:
            places[body] = f"world/{rr.escape_entity_path_part(model.body(body).name or str(body))}"
            stream.log(places[body], rr.Mesh3D(**mesh), static=True)
    bodies = list(places)
    position = np.empty((len(rows), len(bodies), 3))
    quat_wxyz = np.empty((len(rows), len(bodies), 4))
    for t, row in enumerate(rows):
        replay.show(row)
        position[t], quat_wxyz[t] = data.xpos[bodies], data.xquat[bodies]
    for k, body in enumerate(bodies):
        xyzw = quat_wxyz[:, k, [1, 2, 3, 0]]
        poses = rr.Transform3D.columns(translation=position[:, k], quaternion=xyzw)
        stream.send_columns(places[body], times, poses)


def _mesh(model: mujoco.MjModel, body: int) -> dict[str, NDArray] | None:
    """What a body looks like, in its own frame; None where there is nothing to see."""
    from mjviser.conversions import merge_geoms

    first, count = int(model.body_geomadr[body]), int(model.body_geomnum[body])
    seen = [
        g
        for g in range(first, first + count)
        if model.geom_group[g] < VISUAL_GROUPS and model.geom_rgba[g, 3] > 0
    ]
    if not seen:
        return None
    parts: list[Any] = [merge_geoms(model, [g]) for g in seen]
    offsets = np.cumsum([0, *(len(p.vertices) for p in parts[:-1])])
    visuals = [p.visual if p.visual.kind != "texture" else p.visual.to_color() for p in parts]
    return {
        "vertex_positions": np.concatenate([p.vertices for p in parts]),
        "triangle_indices": np.concatenate(
            [p.faces + k for p, k in zip(parts, offsets, strict=True)]
        ),
        "vertex_normals": np.concatenate([p.vertex_normals for p in parts]),
        "vertex_colors": np.concatenate([v.vertex_colors for v in visuals]),
    }
