"""The viewer in the browser: 3D replay, true and imagined video, rewards, on one timeline."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Literal

import numpy as np
import viser
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import Clip, clip_of, likes
from octoworld.data.programs import is_program

from .catalogue import Entry, catalogue, partner
from .finder import Finder
from .labelling import LabelTab
from .programs import ProgramTab
from .recording import Recording, missing, open_recording, scene_rows
from .server import address, announce, check_port, open_server, set_theme
from .signals import Signals
from .stage import Stage
from .tables import results_html
from .training import CurveReader, TrainingTab

SPEEDS = {"1/4x": 0.25, "1/2x": 0.5, "1x": 1.0, "2x": 2.0, "4x": 4.0}
CONTROL_WIDTH, SIGNAL_WIDTH = 350, 612
"""Widths of the docked panels: controls at the left, cameras and plots at the right [px]."""
LOOK_PERIOD = 2.0
"""Between two looks at whether the run has gone on [s]."""
NOTHING = {"nothing": np.zeros(1)}
"""Columns in the place of an episode's that cannot be shown."""
NONE_YET = "none yet"
"""In the place of data sets, where a training has not recorded any."""
ALONE = "nothing"
"""Chosen in the place of a data set to show beside."""


class ViewerApp:
    """State and handles of one viewer; `serve` makes it, tests drive it through its handles."""

    def __init__(
        self,
        recording: Recording,
        *,
        port: int = 8080,
        host: str = "127.0.0.1",
        theme: str = "dark",
        label_seed: int | None = None,
    ) -> None:
        """Open the page.

        Args:
            recording: what is shown.
            port: first port to try.
            host: address to listen on.
            theme: "dark" or "light".
            label_seed: of which clips are asked about, by browser; None is new each time.
        """
        self.recording, self.theme, self._label_seed = recording, theme, label_seed
        self.server, self.host = open_server(host, port), host
        self.stage = Stage(self.server, theme)
        self.episode: Episode
        """What is shown; of one that is damaged, a single empty step."""
        self.dataset, self.index = "", -1
        self.other: tuple[str, Episode] | None = None
        """What is shown beside: name and episode."""
        self._lock = threading.RLock()
        self._playing = threading.Event()
        self._closed = threading.Event()
        self._catalogues: dict[str, list[Entry]] = {}
        self._troubles: dict[str, str] = {}
        """What went wrong, by what it is of; the page shows it."""
        self.store = LabelStore(recording.folder)
        self.label_tabs: dict[int, LabelTab] = {}
        """Pages for labels, by browser."""
        self._liked: set[Clip] = set()
        self._build()
        self._read_likes()
        if recording.datasets:
            self.open_dataset(next(iter(recording.datasets)))
        else:
            self._show_nothing()
        self._player = threading.Thread(target=self._play, daemon=True)
        self._player.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def url(self) -> str:
        """Address to open in a browser on this machine."""
        return address(self.server, self.host)

    @property
    def step(self) -> int:
        """The step that is shown."""
        return int(self.timeline.value)

    @property
    def images(self) -> dict[str, NDArray[np.uint8]]:
        """What each camera's panel shows now, (H, W, 3)."""
        return self.signals.images

    @property
    def _last(self) -> int:
        """The last step of the episode, or of the longer of two."""
        lengths = [len(self.episode), len(self.other[1]) if self.other else 0]
        return max(lengths) - 1

    @property
    def is_playing(self) -> bool:
        """Whether the timeline runs by itself."""
        return self._playing.is_set()

    def close(self) -> None:
        """Stop playing and serving."""
        self._closed.set()
        self._playing.set()
        self._player.join(timeout=2)
        self._watcher.join(timeout=2)
        for tab in list(self.label_tabs.values()):
            tab.close()
        self.server.stop()

    # what the user does

    def open_dataset(self, name: str) -> None:
        """Show a data set: its scene, and its first episode."""
        with self._lock:
            self._enable(True)
            self.dataset, self.index = name, -1
            self._troubles.pop("scene", None)
            try:
                self.stage.open(self.recording.scene_path(name))
            except DatasetError as error:
                self._troubles["scene"] = f"{error}: no 3D replay"
            self.finder.open(name, self._entries(name))
            self.open_episode(0)

    def open_episode(self, index: int) -> None:
        """Show an episode from its first step; what is damaged is said in the page."""
        with self._lock:
            self.index = index
            self._troubles.pop("episode", None)
            try:
                self.episode = self.recording.episode(self.dataset, index, lazy=True)
                self._open_beside()
                self._open_signals()
            except DatasetError as error:  # one damaged file must not end the session
                self._troubles["episode"] = str(error)
                meta = self.recording.datasets[self.dataset].episodes[index]
                self.episode, self.other = Episode(NOTHING, meta.instruction, 1, meta.info), None
                self.signals.clear()
            self.finder.mark(index)
            self.instruction.content = _instruction(self.episode)
            self.timeline.max = max(self._last, 1)
            self.timeline.value = 0
            self._show_like()
            rows = scene_rows(self.episode)
            if rows is not None:
                self.stage.trace(rows)
            self.show(0)
            self._tell()

    def _show_nothing(self) -> None:
        """A training that has not recorded yet."""
        self.episode = Episode(NOTHING, "nothing is recorded yet", 1)
        self.instruction.content = "### Nothing is recorded yet"
        self._enable(False)

    def _enable(self, is_there: bool) -> None:
        """Let the timeline be used while there is an episode."""
        for handle in (self.timeline, self.play_button, self.like_button):
            handle.disabled = not is_there

    def show(self, step: int) -> None:
        """Draw one step everywhere."""
        with self._lock:
            step = min(step, self._last)
            self.clock.content = (
                f"step **{step}** of {self._last} · {step / self.episode.fps:.1f} s"
            )
            rows = scene_rows(self.episode)
            if rows is not None:
                self._show_physics(rows[min(step, len(rows) - 1)])
            try:
                self.signals.show(step)
                if self.program is not None and self.index >= 0:
                    self.program.show(self.episode, min(step, len(self.episode) - 1))
            except DatasetError as error:
                self._troubles["episode"] = str(error)
                self._tell()

    def go(self, episodes: int) -> None:
        """Show the next or an earlier episode of the list."""
        with self._lock:
            index = self.finder.neighbour(episodes)
            if index is not None:
                self.open_episode(index)

    def move(self, steps: int) -> None:
        """Step forward or back and stop playing."""
        self.pause()
        self.timeline.value = int(np.clip(self.step + steps, 0, self._last))

    def toggle(self) -> None:
        """Play or pause; at the end, play from the start."""
        if self.is_playing:
            self.pause()
            return
        if self.step >= self._last:
            self.timeline.value = 0
        self.play_button.label, self.play_button.icon = "Pause", viser.Icon.PLAYER_PAUSE
        self._playing.set()

    def pause(self) -> None:
        """Stop at the current step."""
        self._playing.clear()
        self.play_button.label, self.play_button.icon = "Play", viser.Icon.PLAYER_PLAY

    def like(self) -> None:
        """Store that the shown episode is liked, or no longer liked."""
        if self.index < 0:
            return
        with self._lock:
            clip = clip_of(self.recording.datasets[self.dataset], self.dataset, self.index)
            try:
                label = self.store.add("like", clips=(clip,), liked=clip not in self._liked)
            except DatasetError as error:
                self._troubles["labels"] = str(error)
                self._tell()
                return
            (self._liked.add if label.liked else self._liked.discard)(clip)
            self._show_like()

    # the page

    def _build(self) -> None:
        gui, names = self.server.gui, tuple(self.recording.datasets) or (NONE_YET,)
        set_theme(gui, self.theme)
        gui.main_panel.dock_left()
        gui.main_panel.set_width(CONTROL_WIDTH)
        self.finder = Finder(gui, names, self._dataset_chosen, self.open_episode)
        self.beside = gui.add_dropdown(
            "Beside", (ALONE, *names), initial_value=ALONE, visible=len(names) > 1,
            hint="Shows the episode of another data set that began in the same state.",
        )  # fmt: skip
        self.instruction = gui.add_markdown("")
        with gui.add_folder("Timeline"):
            self.timeline = gui.add_slider("Step", min=0, max=1, step=1, initial_value=0)
            self.clock = gui.add_markdown("")
            self.play_button = gui.add_button("Play", icon=viser.Icon.PLAYER_PLAY)
            self.step_buttons = gui.add_button_group("Go", ("|<", "<", ">", ">|"))
            self.speed = gui.add_dropdown("Speed", tuple(SPEEDS), initial_value="1x")
            gui.add_markdown(
                "Keys: space plays, J and L step, home and end jump, page up and down change the "
                "episode, I and O the speed."
            )
            self.like_button = gui.add_button("Like", icon=viser.Icon.HEART, color="gray")
        self.missing_text = gui.add_markdown("")
        if self.recording.results is not None:
            with gui.add_folder("Results"):
                gui.add_html(results_html(self.recording.results))
        if self.recording.config_text:
            with gui.add_folder("Configuration", expand_by_default=False):
                gui.add_markdown(f"```yaml\n{self.recording.config_text}\n```")
        self._side = gui.add_panel()
        metas = (meta for data in self.recording.datasets.values() for meta in data.episodes)
        self.program: ProgramTab | None = None
        if any(is_program(meta.info) for meta in metas):
            with self._side.add_tab("Program", viser.Icon.CODE):
                self.program = ProgramTab(gui, self.theme)
        tab = self._side.add_tab("Cameras and signals", viser.Icon.VIDEO)
        self.signals = Signals(gui, tab, self.theme)
        self.training: TrainingTab | None = None
        self._curves = CurveReader(self.recording.folder)
        self._show_training()
        self._label_tab = self._side.add_tab("Labels", viser.Icon.THUMB_UP)
        self._side.dock_right()
        self._side.set_width(SIGNAL_WIDTH)
        self._bind()

    def _bind(self) -> None:
        self.like_button.on_click(lambda _: self.like())
        self.server.on_client_connect(self._welcome)
        self.server.on_client_disconnect(self._farewell)
        jumps = {"|<": -(10**9), "<": -1, ">": 1, ">|": 10**9}
        self.beside.on_update(lambda _: self.open_episode(self.index))
        self.timeline.on_update(lambda _: self.show(self.step))
        self.play_button.on_click(lambda _: self.toggle())
        self.step_buttons.on_click(lambda _: self.move(jumps[self.step_buttons.value]))
        command = self.server.gui.add_command
        command("Play or pause", hotkey="space").on_trigger(lambda _: self.toggle())
        # the arrow keys and WASD move the camera already
        command("Step forward", hotkey="L").on_trigger(lambda _: self.move(1))
        command("Step back", hotkey="J").on_trigger(lambda _: self.move(-1))
        command("First step", hotkey="home").on_trigger(lambda _: self.move(-(10**9)))
        command("Last step", hotkey="end").on_trigger(lambda _: self.move(10**9))
        command("Next episode", hotkey="pagedown").on_trigger(lambda _: self.go(1))
        command("Episode before", hotkey="pageup").on_trigger(lambda _: self.go(-1))
        command("Slower", hotkey="I").on_trigger(lambda _: self._change_speed(-1))
        command("Faster", hotkey="O").on_trigger(lambda _: self._change_speed(1))

    def _welcome(self, client: viser.ClientHandle) -> None:
        """Give each browser a page of its own for its answers."""
        seed = None if self._label_seed is None else self._label_seed + client.client_id
        with self._label_tab:
            self.label_tabs[client.client_id] = LabelTab(
                client.gui, self.recording, self.store, theme=self.theme, seed=seed
            )

    def _farewell(self, client: viser.ClientHandle) -> None:
        tab = self.label_tabs.pop(client.client_id, None)
        if tab is not None:
            tab.close()

    def look_again(self) -> None:
        """Show what a running job has written since: curves, new data sets, new episodes."""
        self._show_training()
        grown = self.recording.refresh()
        if not grown:
            return
        with self._lock:
            for name in grown:
                self._catalogues.pop(name, None)
            names, is_first = tuple(self.recording.datasets), not self.dataset
            if names != tuple(self.finder.dataset.options):
                self.finder.offer(names)
                self.beside.options, self.beside.visible = (ALONE, *names), len(names) > 1
            if self.finder.follow.value or is_first:
                self.open_dataset(grown[-1])
                self.open_episode(len(self.recording.datasets[grown[-1]]) - 1)
            elif self.dataset in grown:
                self.finder.grow(self._entries(self.dataset))

    def _show_training(self) -> None:
        if not self._curves.read():
            return
        curves = self._curves.curves()
        if self.training is not None:
            self.training.update(curves)
        elif curves:
            with self._side.add_tab("Training", viser.Icon.CHART_LINE):
                self.training = TrainingTab(self.server.gui, curves)

    def _watch(self) -> None:
        """The watcher's thread."""
        while not self._closed.wait(LOOK_PERIOD):
            try:
                self.look_again()
            except DatasetError as error:  # what is being written is read the next time
                self._troubles["watch"] = str(error)

    def _dataset_chosen(self, name: str) -> None:
        with self._lock:
            if name != self.dataset and name in self.recording.datasets:
                self.open_dataset(name)

    def _change_speed(self, by: int) -> None:
        names = list(SPEEDS)
        at = names.index(self.speed.value) + by
        self.speed.value = names[min(max(at, 0), len(names) - 1)]

    def _entries(self, name: str) -> list[Entry]:
        """What is known of the episodes of a data set; read once."""
        if name not in self._catalogues:
            dataset = self.recording.datasets[name]
            try:
                self._catalogues[name] = catalogue(dataset)
            except DatasetError as error:
                self._troubles[f"ends of {name}"] = str(error)
                self._catalogues[name] = catalogue(dataset, with_outcomes=False)
        return self._catalogues[name]

    def _open_beside(self) -> None:
        """Find the episode of the other data set with the same start."""
        name, self.other = self.beside.value, None
        self._troubles.pop("beside", None)
        if name in (ALONE, self.dataset):
            return
        entry = self._entries(self.dataset)[self.index]
        twin = partner(self._entries(name), entry)
        if twin is None:
            self._troubles["beside"] = (
                f"{name} has no episode of {entry.task} from seed {entry.seed}: nothing beside"
            )
            return
        self.other = (name, self.recording.episode(name, twin.index, lazy=True))

    def _open_signals(self) -> None:
        shown = [(self.dataset, self.episode)]
        self.signals.open([*shown, self.other] if self.other else shown)

    def _show_physics(self, row: NDArray[np.float64]) -> None:
        if self.stage.replay is None:
            return
        misfit = self.stage.replay.misfit(len(row))
        if misfit is None:
            self.stage.show(row)
        else:
            self._troubles["episode"] = f"{misfit}: no 3D replay"

    def _read_likes(self) -> None:
        try:
            said = likes(self.store.labels())
        except DatasetError as error:
            self._troubles["labels"] = str(error)
            return
        self._liked = {clip for (_, clip), liked in said.items() if liked}

    def _show_like(self) -> None:
        clip = clip_of(self.recording.datasets[self.dataset], self.dataset, self.index)
        is_liked = clip in self._liked
        self.like_button.label = "Liked" if is_liked else "Like"
        self.like_button.color = "red" if is_liked else "gray"

    def _tell(self) -> None:
        """Write what is damaged, and what this episode lacks."""
        lines = [*self.recording.problems, *self._troubles.values()]
        if "episode" not in self._troubles:
            lines += missing(self.episode, self.recording.scene_path(self.dataset))
        self.missing_text.content = "\n".join(f"- {line}" for line in lines)
        self.missing_text.visible = bool(lines)

    def _play(self) -> None:
        """The player's thread: one step every 1 / (fps * speed) seconds, without drift."""
        due = time.monotonic()
        while not self._closed.is_set():
            if not self._playing.wait(timeout=0.2):
                due = time.monotonic()
                continue
            if self._closed.is_set():
                return
            if self.step >= self._last:
                self.pause()
                continue
            self.timeline.value = self.step + 1
            # a slow browser is not chased: lateness is forgiven
            due = max(due + 1 / (self.episode.fps * SPEEDS[self.speed.value]), time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def serve(
    run: Path | str,
    port: int = 8080,
    host: str = "127.0.0.1",
    block: bool = True,
    theme: Literal["dark", "light"] = "dark",
    beside: Path | str | None = None,
) -> viser.ViserServer:
    """Open a run in the browser; prints the address.

    Args:
        run: a run folder, or one LeRobot v3 data set.
        port: first port to try; when it is taken, the next free one is used.
        host: address to listen on; 0.0.0.0 lets other machines in, with a token.
        block: serve until Ctrl-C; otherwise return while it serves in the background.
        theme: colours of the page.
        beside: another run or data set, to compare episodes from the same start.

    Raises:
        DatasetError: there is no recording at `run`.
        ConfigError: no such port.
    """
    check_port(port)
    recording = open_recording(run)
    if beside is not None:
        recording = recording.beside(open_recording(beside))
    app = ViewerApp(recording, port=port, host=host, theme=theme)
    announce(f"viewer of {recording.folder}", app.server, host, port)
    if block:
        with contextlib.suppress(KeyboardInterrupt):
            app.server.sleep_forever()
        app.close()
    return app.server


def _instruction(episode: Episode) -> str:
    facts = [f"{k} {episode.info[k]}" for k in ("task", "source", "seed") if k in episode.info]
    tail = f"\n\n{' · '.join(facts)}" if facts else ""
    return f"### “{episode.instruction}”{tail}"
