"""Bench `viewer`: how fast it scrubs, opens and jumps, and what it costs a training it watches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import viser
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.core.errors import OctoworldError
from octoworld.core.io import write_text
from octoworld.core.registry import TASKS, register_bench
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter
from octoworld.viewer.app import ViewerApp
from octoworld.viewer.recording import open_recording
from octoworld.viewer.server import port_of
from sim.backends.mjcf import scene_xml

from .actors import ExpertActor
from .recording import write_dataset
from .rollouts import RolloutConfig, recording_env, roll_out

UPDATES, OPENING, JUMPS, SLOWDOWN = (
    "updates [1/s]", "opening [s]", "jumps [1/s]", "slow-down of the training [%]",
)  # fmt: skip
PORT = 18980


@dataclass(frozen=True)
class ViewerBenchConfig:
    """How much is measured."""

    steps: int = 1000
    """Of the scrubbed episodes, of drones and of an arm."""
    drones: int = 16
    """That fly in one."""
    updates: int = 300
    """Steps of the timeline that are shown."""
    frames: int = 100_000
    """Of the data set that is opened; a fifth of them are one episode."""
    jumps: int = 100
    """To random steps of that one."""
    windows: int = 36
    """Pairs of windows of a training, watched and not."""
    window: float = 8.0
    """Length of one [s]."""


QUICK = ViewerBenchConfig(150, 16, 60, 10_000, 30, 2, 3.0)
ARMS = {
    "16 drones": "a 16-drone episode scrubs at 20 updates a second at least",
    "two cameras": "an arm's episode with two cameras scrubs at 20 updates a second at least",
    "large data set": "a data set of 100,000 frames opens within 3 s",
    "long episode": "a long episode jumps to random steps 20 times a second at least",
    "training": "a training that is watched loses less than 3 % of its steps",
}


@register_bench("viewer")
class ViewerBench:
    """Server-side times, with a client that takes all messages and draws nothing."""

    name = "viewer"
    description = "scrubbing, opening and jumping in the viewer; what watching costs a training"

    def run(self, quick: bool, folder: Path) -> None:
        """Record and measure."""
        config = QUICK if quick else ViewerBenchConfig()
        bounds: dict[str, tuple[str, Any, float]] = {
            "16 drones": (UPDATES, "greater", 20.0),
            "two cameras": (UPDATES, "greater", 20.0),
            "large data set": (OPENING, "less", 3.0),
            "long episode": (JUMPS, "greater", 20.0),
            "training": (SLOWDOWN, "less", 3.0),
        }
        claims = [
            Claim(arm, (arm,), (0,), metric, direction, margin, statement=ARMS[arm])
            for arm, (metric, direction, margin) in bounds.items()
        ]
        measures: dict[str, Callable[[ViewerBenchConfig, Path], ArmResult]] = {
            "16 drones": scrub_drones, "two cameras": scrub_arm, "large data set": open_large,
            "long episode": jump, "training": watch_training,
        }  # fmt: skip
        run(
            claims,
            lambda arm, _, scratch: measures[arm](config, scratch),
            folder,
            scratch=Path("runs") / folder.name,
            config=config,
        )

    def report(self, folder: Path) -> str:
        """Verdicts."""
        return report(folder)


# -- scrubbing -------------------------------------------------------------------------------------


def scrub_drones(config: ViewerBenchConfig, scratch: Path) -> ArmResult:
    """Updates a second of a flight of many drones."""
    options = {"task_options": {"num_drones": config.drones}}
    return scrub(_recorded("MultiHover", ("overview",), config.steps, options, scratch), config)


def scrub_arm(config: ViewerBenchConfig, scratch: Path) -> ArmResult:
    """Updates a second of an arm seen by two cameras."""
    return scrub(_recorded("PickUp", ("front", "wrist"), config.steps, {}, scratch), config)


def _recorded(
    task: str, cameras: tuple[str, ...], steps: int, options: dict[str, Any], scratch: Path
) -> Path:
    """A data set of one episode of the expert, with its scene; an earlier one, if it is there."""
    folder = scratch / "recorded"
    if folder.exists() and len(Dataset(folder).episodes):
        return folder
    given = options | {"max_episode_length": steps}
    env = recording_env(task, 1, RolloutConfig(1, cameras=cameras), options=given)
    try:
        episodes = roll_out(env, ExpertActor(env), [0], hold_steps=steps)
        write_dataset(folder, episodes)
        write_text(folder / "scene.xml", scene_xml(env.task.scene()))
    finally:
        env.close()
    return folder


def scrub(folder: Path, config: ViewerBenchConfig) -> ArmResult:
    """Show steps of the first episode in `folder`, half of them in order, half here and there."""
    app = ViewerApp(open_recording(folder), port=PORT)
    try:
        last = len(app.episode) - 1
        forward = np.linspace(0, last, config.updates // 2).astype(int)
        rng = np.random.default_rng(0)
        jumps = rng.integers(0, last + 1, config.updates - len(forward))
        with _client(app) as client:
            app.timeline.value = last // 2  # what is made at the first look is made
            parts = {"forward": forward, "to and fro": jumps}
            seconds = {name: _timed(app, client, steps) for name, steps in parts.items()}
        rates = {name: len(parts[name]) / seconds[name] for name in parts}
        facts = {f"{name} [1/s]": round(rate, 1) for name, rate in rates.items()}
        facts |= {"steps": len(app.episode), "megabytes sent": round(client.received / 1e6, 3)}
        total = config.updates / sum(seconds.values())
        return ArmResult([0], {UPDATES: [total]}, facts=facts)
    finally:
        app.close()


def _timed(app: ViewerApp, client: _Client, steps: np.ndarray) -> float:
    """Seconds until the client has all that showing `steps` sends."""
    began = time.monotonic()
    for step in steps:
        app.timeline.value = int(step)
    app.server.flush()
    done = time.monotonic()
    while time.monotonic() - max(client.last, done) < 0.3:  # the last messages are on their way
        time.sleep(0.05)
    return max(client.last, done) - began


class _Client:
    """Takes all that the server sends, as a browser does, and draws nothing."""

    def __init__(self) -> None:
        self.received, self.last = 0, 0.0
        """Bytes; when the last came."""
        self.connected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task | None = None

    def run(self, port: int) -> None:
        """Until `stop`."""
        self._task = self._loop.create_task(self._take(port))
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
            self._loop.run_until_complete(self._task)

    def stop(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _take(self, port: int) -> None:
        speaks = [Subprotocol(f"viser-v{viser.__version__}")]
        address = f"ws://127.0.0.1:{port}"
        async with connect(address, subprotocols=speaks, max_size=None) as socket:
            async for message in socket:
                self.received, self.last = self.received + len(message), time.monotonic()
                self.connected.set()


@contextlib.contextmanager
def _client(app: ViewerApp) -> Iterator[_Client]:
    client = _Client()
    thread = threading.Thread(target=client.run, args=(port_of(app.server),), daemon=True)
    thread.start()
    try:
        if not client.connected.wait(30):
            raise OctoworldError("bench viewer: the server does not answer its client")
        while time.monotonic() - client.last < 0.5:  # the whole page comes first
            time.sleep(0.05)
        yield client
    finally:
        client.stop()
        thread.join(5)


# -- opening and jumping ---------------------------------------------------------------------------


def open_large(config: ViewerBenchConfig, scratch: Path) -> ArmResult:
    """Seconds until a large data set is on the page, three times."""
    folder, seconds = large_dataset(config.frames, scratch), []
    for _ in range(3):
        began = time.monotonic()
        app = ViewerApp(open_recording(folder), port=PORT)
        seconds.append(time.monotonic() - began)
        app.close()
    facts = {"frames": config.frames, "episodes": len(Dataset(folder))}
    return ArmResult([0, 1, 2], {OPENING: seconds}, facts=facts)


def jump(config: ViewerBenchConfig, scratch: Path) -> ArmResult:
    """Jumps a second in the longest episode."""
    app = ViewerApp(open_recording(large_dataset(config.frames, scratch)), port=PORT)
    try:
        app.open_episode(0)
        rng = np.random.default_rng(0)
        began = time.monotonic()
        for step in rng.integers(0, len(app.episode), config.jumps):
            app.timeline.value = int(step)
        seconds = time.monotonic() - began
        facts = {"frames of the episode": len(app.episode)}
        return ArmResult([0], {JUMPS: [config.jumps / seconds]}, facts=facts)
    finally:
        app.close()


def large_dataset(frames: int, scratch: Path) -> Path:
    """A data set of `frames` frames: the first episode has a fifth of them, the others 500 each."""
    folder = scratch / f"large-{frames}"
    if folder.exists():
        return folder
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with DatasetWriter(folder, fps=10, robot="panda", extra_meta={"control_mode": "none"}) as out:
        written = 0
        while written < frames:
            count = min(frames // 5 if written == 0 else 500, frames - written)
            shift = rng.integers(0, 64) + np.arange(count)
            pictures = np.stack([np.roll(tile, k % 64, axis=1) for k in shift])
            columns = {
                "observation.images.front": pictures,
                "observation.state": rng.normal(size=(count, 8)).astype(np.float32),
                "action": rng.normal(size=(count, 4)).astype(np.float32),
                "next.reward": rng.random(count).astype(np.float32),
                "next.success": np.arange(count) > count - 5,
                "next.done": np.arange(count) == count - 1,
                "sim_state": rng.normal(size=(count, 60)),
            }
            facts = {"task": "none", "robot": "panda", "seed": written}
            out.add(Episode(columns, "a long episode", 10, facts))
            written += count
    return folder


# -- a training that is watched --------------------------------------------------------------------


def watch_training(config: ViewerBenchConfig, scratch: Path) -> ArmResult:
    """Loss of a training's speed while a viewer is attached, window by window, in percent.

    Both are processes of their own; between the windows the viewer is stopped and continued. Pairs
    go watched-not, not-watched and so on, so that a machine that gets slower favours neither.
    """
    TASKS.get("Hover")
    run_folder = scratch / "watched"
    train = _process(
        ["train", "Hover", "--out", str(run_folder), "--total-steps", "1000000000", "--eval-every",
         "1000000000", "--set", "log_every=1"], scratch / "train.txt",
    )  # fmt: skip
    view: subprocess.Popen | None = None
    try:
        metrics = run_folder / "metrics.jsonl"
        _wait(lambda: metrics.exists() and last_row(metrics)[0] > 0, train, "the training")
        view = _process(["view", str(run_folder), "--port", str(PORT + 1)], scratch / "view.txt")
        said = scratch / "view.txt"
        _wait(lambda: "http://" in said.read_text(), view, "the viewer")
        client = _Client()
        port = int(said.read_text().split("http://")[1].split(":")[1].split()[0].split("/")[0])
        threading.Thread(target=client.run, args=(port,), daemon=True).start()
        if not client.connected.wait(60):
            raise OctoworldError("bench viewer: the server does not answer its client")
        time.sleep(min(5.0, config.window))
        losses, rates, used = [], {True: [], False: []}, 0.0
        for pair in range(config.windows):
            rate: dict[bool, float] = {}
            for is_watched in (True, False) if pair % 2 else (False, True):
                os.kill(view.pid, signal.SIGCONT if is_watched else signal.SIGSTOP)
                before = _cpu(view.pid)
                rate[is_watched] = _rate(metrics, config.window)
                used += _cpu(view.pid) - before
                rates[is_watched].append(round(rate[is_watched]))
            losses.append(100 * (1 - rate[True] / rate[False]))
        os.kill(view.pid, signal.SIGCONT)
        client.stop()
        share = used / (config.windows * config.window)
        facts = {
            "steps a second, watched": rates[True], "steps a second, not watched": rates[False],
            "processor time of the viewer [% of a core]": round(100 * share, 2),
            "cores": os.cpu_count(),
        }  # fmt: skip
        return ArmResult(range(len(losses)), {SLOWDOWN: losses}, facts=facts)
    finally:
        for process in (view, train):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
                process.kill()
                process.wait(10)


def _process(arguments: list[str], output: Path) -> subprocess.Popen:
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "octoworld.cli.main", *arguments], stdout=file, stderr=file
        )


def _wait(is_there: Callable[[], bool], process: subprocess.Popen, who: str) -> None:
    for _ in range(1200):
        if is_there():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise OctoworldError(f"bench viewer: {who} did not start; see its output beside the results")


def last_row(metrics: Path) -> tuple[int, float]:
    """Step and time [s of the training] of the last whole row."""
    with metrics.open("rb") as file:
        file.seek(max(0, metrics.stat().st_size - 4000))
        lines = file.read().split(b"\n")[:-1]
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if "time/seconds" in row:
                return int(row["step"]), float(row["time/seconds"])
    return 0, 0.0


def _rate(metrics: Path, seconds: float) -> float:
    """Steps a second of the training over the next `seconds`, from row to row."""
    first = last_row(metrics)
    time.sleep(seconds)
    last = last_row(metrics)
    while last[0] == first[0]:
        time.sleep(0.2)
        last = last_row(metrics)
    return (last[0] - first[0]) / (last[1] - first[1])


def _cpu(pid: int) -> float:
    """Processor time that a process has used [s]; 0 where the system does not tell."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
