"""ScenePage: what pages of a live world share: the 3D scene, cameras, and ears for the person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import viser
from numpy.typing import NDArray

from .frames import Frames, captioned_row
from .held import Held, HeldInput
from .server import address, open_server, set_theme
from .stage import Stage

CONTROL_WIDTH = 350
"""Of the panel at the left [px]."""
UNHEARD = "*Keyboard and gamepad: no browser has answered yet.*"


class ScenePage:
    """A page with controls at the left, the scene in the middle and cameras at the right."""

    held: HeldInput

    def __init__(self, scene_path: Path, *, port: int, host: str, theme: str) -> None:
        """Serve the world of an MJCF file at the first free port from `port` on."""
        self.server, self.host, self.theme = open_server(host, port), host, theme
        self.stage = Stage(self.server, theme)
        self.stage.open(scene_path)
        gui = self.server.gui
        set_theme(gui, theme)
        gui.main_panel.dock_left()
        gui.main_panel.set_width(CONTROL_WIDTH)
        self.side: viser.GuiTabHandle
        """The tab at the right, once `add_side` has made it."""
        self._closing: list[Callable[[], None]] = []
        self._panels: dict[str, viser.GuiImageHandle] = {}

    @property
    def url(self) -> str:
        """Address to open in a browser on this machine."""
        return address(self.server, self.host)

    def add_side(self, title: str, width: int) -> viser.GuiTabHandle:
        """Make the panel at the right, `width` [px] wide."""
        panel = self.server.gui.add_panel()
        self.side = panel.add_tab(title, viser.Icon.VIDEO)
        panel.dock_right()
        panel.set_width(width)
        return self.side

    def listen(
        self,
        keys: Iterable[str],
        hold: Callable[[Held], None],
        look: Callable[[NDArray], None],
    ) -> None:
        """Tell what is held (see `held`), and in which direction (3,) the person looks.

        Both are called by viser's threads.
        """
        with self.side:
            self.held = HeldInput(self.server, keys, hold)
        self._closing.append(self.held.close)

        @self.server.on_client_connect
        async def _(client: viser.ClientHandle) -> None:
            @client.camera.on_update
            async def _(camera: viser.CameraHandle) -> None:
                look(camera.look_at - camera.position)

    def picture(
        self, camera: str, tiles: Sequence[Frames], captions: Sequence[str], width: int
    ) -> None:
        """Show tiles (H, W, 3) in the camera's row, each about `width` [px] wide."""
        row = self.row_of(tiles, captions, width)
        if camera in self._panels:
            self._panels[camera].image = row
            return
        with self.side:
            self._panels[camera] = self.server.gui.add_image(row, format="png")

    def row_of(self, tiles: Sequence[Frames], captions: Sequence[str], width: int) -> Frames:
        """Tiles (H, W, 3), each about `width` [px] wide, under their captions."""
        return captioned_row(tiles, captions, max(1, width // tiles[0].shape[1]), self.theme)

    def close(self) -> None:
        """Send what is left to show, and stop serving."""
        for close in self._closing:
            close()
        self.server.flush()
        self.server.stop()


def write(handle: viser.GuiMarkdownHandle, text: str) -> None:
    """Change a text if it differs: the browser lays out anew whatever it is sent."""
    if handle.content != text:
        handle.content = text
