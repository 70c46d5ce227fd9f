"""Recorder: looks on at episodes, films every world, and logs what its drones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octoworld.data.flight_export import write_csv
from octoworld.data.flightlog import FlightLog
from octoworld.viewer.flightplots import FlightFilm, plot_flight, save_figure
from sim.scene import Scene
from sim.world import FlyingWorld
from tasks.drones.drive import FlightDrive
from tasks.drones.flying import FlyingTask
from tasks.env import TaskEnv

FILM_RATE = 24
"""Most frames of a film a second [Hz]; drawing them takes longer than flying."""


class Recorder:
    """A `rollouts.Look`. What it holds is of the batch that was rolled out last."""

    def __init__(self, camera: str, size: tuple[int, int], *, logs: bool = True) -> None:
        """Film through `camera` in pictures of `size` (H, W), and log flights if there are any."""
        self.camera, self.size, self._wants_logs = camera, size, logs
        self.films: list[FlightFilm] = []
        """Of each world."""
        self.logs: list[FlightLog] = []
        """Of each world; none where nothing flies."""
        self.scene: Scene
        """What the worlds are copies of."""

    def __call__(self, env: TaskEnv, step: int) -> None:
        """Before each control step."""
        if step == 0:
            self._start(env)
        for film in self.films:
            film.look()

    def _start(self, env: TaskEnv) -> None:
        self.scene = env.world.scene
        fps = min(FILM_RATE, round(env.fps))
        self.films = [
            FlightFilm(env.world, self.camera, 1 / env.fps, fps=fps, size=self.size, index=i)
            for i in range(env.num_envs)
        ]
        task, drive = env.task, env.drive
        if not (self._wants_logs and isinstance(task, FlyingTask)):
            return
        assert isinstance(drive, FlightDrive)
        assert task.spec.rotorcraft is not None
        suffix = f"_{task.spec.rotorcraft.body}"
        names = tuple(name.removesuffix(suffix) for name in task.drones)
        physics = "" if task.aero is None else task.aero.compat
        self.logs = [
            FlightLog.of_world(
                flying(env), drive.log_period, index=i, physics=physics, model=task.robot,
                names=names,
            )
            for i in range(env.num_envs)
        ]  # fmt: skip

        def watch(world: FlyingWorld, command: NDArray) -> None:
            # a world whose episode is over is moved too, and put back
            for i in np.flatnonzero(env.live):
                self.logs[i].record(world, command[i], index=int(i))

        drive.watch = watch

    def write(self, index: int, folder: Path, name: str) -> dict[str, str]:
        """Write what happened in world `index`; returns the paths by kind.

        FOLDER/videos/NAME.mp4; of a flight, FOLDER/flights/NAME.png (position, attitude, RPM over
        time), NAME.npz (gym-pybullet-drones' format) and NAME/<drone>.csv.
        """
        paths = {"film": str(self.films[index].save(folder / "videos" / f"{name}.mp4"))}
        if self.logs:
            log, place = self.logs[index], folder / "flights"
            paths["plot"] = str(save_figure(plot_flight(log), place / f"{name}.png"))
            if log.rpm.shape[-1] == 4:  # the npz format has room for four rotors
                paths["log"] = str(log.save(place / f"{name}.npz"))
            paths["csv"] = str(write_csv(log, place / name)[0].parent)
        return paths


def flying(env: TaskEnv) -> FlyingWorld:
    """The world of a flying task."""
    world = env.world
    assert isinstance(env.task, FlyingTask)
    return world  # type: ignore[return-value]
