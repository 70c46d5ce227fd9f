"""The viewer's server: a viser page at the first free port, and its address."""

from __future__ import annotations

import contextlib
import io

import viser

from octoworld.core.errors import ConfigError

from .gate import Gate, is_loopback


class PageServer(viser.ViserServer):
    """A ViserServer that, for other machines, stands behind a Gate."""

    gate: Gate | None = None

    def stop(self) -> None:
        """Close the gate, if there is one, and stop serving."""
        if self.gate is not None:
            self.gate.close()
            self.gate = None
        super().stop()


def check_port(port: int) -> None:
    """Raise ConfigError when there is no such port."""
    if not 0 < port < 65536:
        raise ConfigError(f"port {port}: expected 1 to 65535")


def open_server(host: str, port: int) -> PageServer:
    """Serve an empty page on `host`, at `port` or, when that is taken, the next free one.

    On an address that other machines reach, the page needs a token; see `gate`.

    Raises:
        ConfigError: nothing can listen on `host`.
    """
    inside = is_loopback(host)
    with contextlib.redirect_stdout(io.StringIO()):  # viser's own banner
        server = PageServer(
            host=host if inside else "127.0.0.1", port=port if inside else 0, label="octoworld",
            verbose=False,
        )  # fmt: skip
    if not inside:
        try:
            server.gate = Gate(host, port, server.get_port())
        except ConfigError:
            server.stop()
            raise
    return server


def set_theme(gui: viser.GuiApi, theme: str) -> None:
    """Give the page its colours, "dark" or "light", and its name."""
    gui.configure_theme(dark_mode=theme == "dark", show_logo=False, show_share_button=False)
    gui.set_panel_label("octoworld")


def port_of(server: viser.ViserServer) -> int:
    """The port that browsers use."""
    gate = getattr(server, "gate", None)
    return server.get_port() if gate is None else gate.port


def address(server: viser.ViserServer, host: str) -> str:
    """Where a browser finds the page, with the token if it needs one."""
    shown = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1", "::1") else host
    shown = f"[{shown}]" if ":" in shown else shown
    gate = getattr(server, "gate", None)
    token = "" if gate is None else f"/?token={gate.token}"
    return f"http://{shown}:{port_of(server)}{token}"


def announce(what: str, server: viser.ViserServer, host: str, port: int) -> None:
    """Print the address of the page, and whether the `port` that was asked for is taken."""
    taken = "" if port_of(server) == port else f" (port {port} is taken)"
    print(f"{what}: {address(server, host)}{taken}", flush=True)
