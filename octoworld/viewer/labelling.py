"""LabelTab: one person's page of clips to choose between or to rank; each answer is stored at once.

Every browser has a tab of its own, so that two people never answer the same picture.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import viser
from numpy.typing import NDArray
from viser._messages import HotkeyKey

from octoworld.core.errors import OctoworldError
from octoworld.data.episode import Episode
from octoworld.data.label_store import LabelStore
from octoworld.data.labels import Clip, Label, load_clip

from .frames import PAPER, captioned_row, stack_rows
from .questions import SCOPES, Questions, Scope, best_first
from .recording import Recording

NAMES = "ABCDEFGH"
"""Of the clips, in the order in which they stand."""
CHOICES: dict[str, float | None] = {
    "A is better": 1.0,
    "B is better": 0.0,
    "as good": 0.5,
    "cannot tell": None,
}
KEYS: tuple[HotkeyKey, ...] = ("0", "1", "2", "3", "4", "5", "6")
TILE = 280
"""Width that a clip's picture is enlarged to, about [px]."""
ROW = 2
"""Clips beside one another."""
GLANCE = 0.4
"""Answers before this time are of the question before [s]."""
RATE = 10
"""Pictures sent a second, at most [Hz]."""


class LabelTab:
    """Handles and state of one tab; tests drive it through its handles."""

    def __init__(
        self,
        gui: viser.GuiApi,
        recording: Recording,
        store: LabelStore,
        *,
        theme: str = "dark",
        seed: int | None = None,
    ) -> None:
        """Add the controls to the GUI container that is open.

        Args:
            gui: of the browser.
            recording: whose episodes are shown.
            store: where answers go.
            theme: "dark" or "light".
            seed: of the draws; None is new each time.
        """
        self.recording, self.store, self.theme = recording, store, theme
        self.clips: tuple[Clip, ...] = ()
        """What is being asked; empty before the start and at the end."""
        self._lock = threading.RLock()
        self._films: list[NDArray[np.uint8]] = []
        self._mine: list[Label] = []
        self._order: list[int] = []
        self._began = 0.0
        self._closed = threading.Event()
        self._player: threading.Thread | None = None
        try:
            labels, trouble = store.labels(), ""
        except OctoworldError as error:  # what is there stays, and new answers go behind it
            labels, trouble = [], str(error)
        self.questions = Questions(recording, labels, seed)
        self._build(gui)
        if trouble:
            self._say(trouble)

    def _build(self, gui: viser.GuiApi) -> None:
        scopes = self.questions.scopes()
        self.text = gui.add_markdown("Say which clip does better what is asked.")
        self.note = gui.add_markdown("")
        if not scopes:
            self.text.content = "Two episodes with pictures are needed to compare; there are none."
            return
        self.who = gui.add_text("Your name", "", hint="Stored with every label; may stay empty.")
        self.scope = gui.add_dropdown("Clips of", scopes, initial_value=scopes[0])
        self.count = gui.add_dropdown("Clips", ("2", "3", "4", "5", "6"), initial_value="2")
        self.seconds = gui.add_number(
            "Length [s]", 0.0, min=0.0, step=0.5, hint="Of a clip; 0 shows whole episodes."
        )
        self.start = gui.add_button("Start", icon=viser.Icon.PLAYER_PLAY)
        blank = np.full((TILE // 2, TILE * ROW, 3), PAPER[self.theme], np.uint8)
        self.picture = gui.add_image(blank, format="jpeg", visible=False)
        self.choice = gui.add_button_group("Choose", tuple(CHOICES), visible=False)
        self.rank = gui.add_button_group("Best first", tuple(NAMES[:2]), visible=False)
        self.skip = gui.add_button_group("Or", ("skip", "undo"), visible=False)
        self.start.on_click(lambda _: self.ask())
        for handle in (self.scope, self.count, self.seconds):
            handle.on_update(lambda _: self.ask() if self.clips else None)
        self.choice.on_click(lambda _: self._clicked(self.choice.value))
        self.rank.on_click(lambda _: self._clicked(self.rank.value))
        self.skip.on_click(lambda _: self.ask() if self.skip.value == "skip" else self.undo())
        for key in KEYS:
            command = gui.add_command(f"Label: {key}", hotkey=key)
            command.on_trigger(lambda _, key=key: self._clicked(key))
        gui.add_markdown(
            "Keys: 1 for A, 2 for B and so on, 0 for as good. Every answer is on disk at once, in "
            f"`{self.store.path.name}`."
        )

    def close(self) -> None:
        """The browser has gone: stop playing. Everything that was answered is stored already."""
        self._closed.set()

    # what the person does

    def ask(self) -> None:
        """Draw and show other clips."""
        with self._lock:
            self.clips, self._films, self._order = (), [], []
            scope: Scope = next(s for s in SCOPES if s == self.scope.value)
            clips = self.questions.draw(scope, int(self.count.value), self.seconds.value)
            for handle in (self.picture, self.choice, self.rank):
                handle.visible = False
            self.start.visible = True
            if clips is None:
                self._say("No clips are left that were not compared yet.")
                return
            try:
                episodes = [self._load(clip) for clip in clips]
            except OctoworldError as error:
                self.questions.answered(clips)  # one damaged file must not end the session
                self._say(str(error))
                return
            self._films = [next(iter(episode.columns.values())) for episode in episodes]
            self._fps = episodes[0].fps
            self.clips, self._began = clips, time.monotonic()
            self.text.content = f"### “{episodes[0].instruction}”"
            is_pair = len(clips) == 2
            self.rank.options = tuple(NAMES[: len(clips)])
            self.choice.visible, self.rank.visible = is_pair, not is_pair
            self.picture.visible = self.skip.visible = True
            self.start.visible = False
            self.picture.image = self.frame(0)
            if self._player is None:
                self._player = threading.Thread(target=self._play, daemon=True)
                self._player.start()

    def press(self, key: str) -> None:
        """A number key: clip 1, 2, ..., or 0 for as good."""
        with self._lock:
            if len(self.clips) == 2 and key in "012":
                self.choose({"0": 0.5, "1": 1.0, "2": 0.0}[key])
            elif len(self.clips) > 2 and key != "0":
                self.place(int(key) - 1)

    def choose(self, preference: float | None) -> None:
        """Answer a pair: 1 is for A, 0 for B, 0.5 for both, None for neither; ask the next."""
        with self._lock:
            if len(self.clips) == 2 and self._store("choice", preference=preference):
                self.ask()

    def place(self, clip: int) -> None:
        """Put a clip behind those that were placed; when all are, store the ranking and go on."""
        with self._lock:
            if not self.clips or clip in self._order or clip >= len(self.clips):
                return
            self._order.append(clip)
            left = [k for k in range(len(self.clips)) if k not in self._order]
            order = self._order + (left if len(left) == 1 else [])
            self._say(" > ".join(NAMES[k] for k in order))
            if len(order) < len(self.clips):
                return
            if self._store("ranking", ranks=best_first(self.clips, order)):
                self.ask()
            else:
                self._order = []

    def undo(self) -> None:
        """Take back a half-made ranking, else the last label of this tab."""
        with self._lock:
            if self._order:
                self._order = []
                self._say("Start with the best.")
            elif self._mine:
                try:
                    self.store.retract(self._mine[-1], self.who.value)
                except OctoworldError as error:
                    self._say(str(error))
                    return
                self._mine.pop()
                self._say("The last label is taken back.")

    # how it is done

    def frame(self, step: int) -> NDArray[np.uint8]:
        """All clips at a step, (H, W, 3); a shorter one stands at its end."""
        scale = max(1, TILE // self._films[0].shape[2])
        shown = [film[min(step, len(film) - 1)] for film in self._films]
        names = NAMES[: len(shown)]
        rows = [
            captioned_row(shown[k : k + ROW], names[k : k + ROW], scale, self.theme)
            for k in range(0, len(shown), ROW)
        ]
        return stack_rows(rows, self.theme)

    def _clicked(self, what: str) -> None:
        """An answer by button or key; a double click is none to the next question."""
        if time.monotonic() - self._began < GLANCE:
            return
        if what in CHOICES:
            self.choose(CHOICES[what])
        elif what in NAMES:
            self.place(NAMES.index(what))
        else:
            self.press(what)

    def _load(self, clip: Clip) -> Episode:
        """What the first camera saw, or, if nobody looked, what was imagined for it."""
        dataset = self.recording.datasets[clip.dataset]
        names = sorted(dataset.cameras, key=lambda name: name.startswith("imagined."))
        return load_clip(dataset, clip, columns=[], cameras=names[:1])

    def _store(self, kind: str, **answer: object) -> bool:
        """Whether the label is on disk; a question stays until its answer is."""
        try:
            label = self.store.add(kind, clips=self.clips, who=self.who.value, **answer)
        except OctoworldError as error:
            self._say(str(error))
            return False
        self.questions.answered(self.clips)
        self._mine.append(label)
        self._say(f"Labels stored: {len(self._mine)}")
        return True

    def _say(self, text: str) -> None:
        self.note.content = text

    def _play(self) -> None:
        """The tab's thread: clips run in their own time, over and over, with a rest at the end."""
        shown = -1
        while not self._closed.wait(1 / RATE):
            with self._lock:
                if not self.clips:
                    continue
                longest = max(map(len, self._films))
                step = int((time.monotonic() - self._began) * self._fps) % (longest + self._fps)
                if min(step, longest - 1) != shown:
                    shown = min(step, longest - 1)
                    image = self.frame(shown)
                    try:
                        self.picture.image = image
                    except RuntimeError:  # handles go with their browser, before `close` is called
                        return
