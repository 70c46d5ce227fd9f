"""The viewer's server: a viser page at the first free port, and its address."""

from __future__ import annotations

import contextlib
import io

import viser

from octoworld.core.errors import ConfigError


def check_port(port: int) -> None:
    """Raise ConfigError when there is no such port."""
    if not 0 < port < 65536:
        raise ConfigError(f"port {port}: expected 1 to 65535")


def open_server(host: str, port: int) -> viser.ViserServer:
    """Serve an empty page on `host`, at `port` or, when that is taken, the next free one."""
    with contextlib.redirect_stdout(io.StringIO()):  # viser's own banner
        return viser.ViserServer(host=host, port=port, label="octoworld", verbose=False)


def set_theme(gui: viser.GuiApi, theme: str) -> None:
    """Give the page its colours, "dark" or "light", and its name."""
    gui.configure_theme(dark_mode=theme == "dark", show_logo=False, show_share_button=False)
    gui.set_panel_label("octoworld")


def address(server: viser.ViserServer, host: str) -> str:
    """Where a browser on this machine finds the page."""
    shown = "localhost" if host in ("0.0.0.0", "127.0.0.1") else host
    return f"http://{shown}:{server.get_port()}"


def announce(what: str, server: viser.ViserServer, host: str, port: int) -> None:
    """Print the address of the page, and whether the `port` that was asked for is taken."""
    taken = "" if server.get_port() == port else f" (port {port} is taken)"
    print(f"{what}: {address(server, host)}{taken}", flush=True)
