"""Gate: a page for other machines opens to whoever has the token, and to nobody else.

viser knows no passwords. So it listens on loopback only, and this gate, on the address that was
asked for, passes on what carries the token: in the address (`http://host:port/?token=...`, which
sets a cookie and goes on without it) or in that cookie. Everything else is answered 403.

The gate does not encrypt: over a network that others listen in on, use an SSH tunnel instead.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import re
import secrets
import threading
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from octoworld.core.errors import ConfigError

VARIABLE = "OCTOWORLD_TOKEN"
"""Environment variable that fixes the token; without it each server makes a new one."""
COOKIE = "octoworld_token"
SHORTEST = 8
"""Characters of a token, at least."""
MOST_HEAD = 65536
"""Of a request's head [bytes]."""
PATIENCE = 10.0
"""Time for a request's head to arrive [s]."""
PORTS = 1000
"""Ports that are tried, from the one asked for."""
REFUSAL = (
    "This page needs its token: open the address that the command printed, with ?token=... at its "
    "end.\n"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_token() -> str:
    """The token of OCTOWORLD_TOKEN, else a new one.

    Raises:
        ConfigError: that token is too short, or has characters that an address would change.
    """
    told = os.environ.get(VARIABLE)
    if told is None:
        return secrets.token_urlsafe(16)
    if not re.fullmatch(rf"[A-Za-z0-9_.-]{{{SHORTEST},}}", told):
        raise ConfigError(
            f"{VARIABLE} must have {SHORTEST} characters or more, of A-Z a-z 0-9 _ . -, got "
            f"{len(told)} characters"
        )
    return told


class Gate:
    """Listens on `host`, passes on to a port of this machine; `port` and `token` say where."""

    def __init__(self, host: str, port: int, inner: int) -> None:
        """Listen at `port`, or the next free one, before a server at 127.0.0.1:`inner`.

        Raises:
            ConfigError: nothing can listen on `host`, or the token is no good.
        """
        self.host, self.port, self.token = host, port, find_token()
        self._inner = inner
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            start = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
            self._server = start.result(timeout=30)
        except OSError as error:
            self._end()
            raise ConfigError(
                f"host {host!r}: nothing can listen there ({error.strerror or error})"
            ) from None

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(timeout=5)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        wanted = self.port
        for port in range(wanted, min(wanted + PORTS, 65536)):
            try:
                server = await asyncio.start_server(self._meet, self.host, port, limit=MOST_HEAD)
            except OSError as error:
                if error.errno in (98, 48):  # taken (Linux, macOS)
                    continue
                raise
            self.port = server.sockets[0].getsockname()[1]
            return server
        raise OSError(None, f"ports {wanted} to {port} are taken")

    async def _hang_up(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, answered here or passed on."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                          TimeoutError):  # fmt: skip
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                answer = self.answer(head)
                if answer is None:
                    await self._pass_on(head, reader, writer)
                else:
                    writer.write(answer)
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()

    def answer(self, head: bytes) -> bytes | None:
        """What the gate itself says to a request; None passes it on."""
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        headers = dict(
            (name.strip().lower(), value.strip())
            for name, found, value in (line.partition(":") for line in lines)
            if found
        )
        if len(words) != 3:
            return _response("400 Bad Request", "This is no request.\n")
        try:
            parts = urlsplit(words[1])
            given = parse_qs(parts.query).get("token", [""])[0]
            cookies = SimpleCookie(headers.get("cookie", ""))
        except (ValueError, CookieError):
            return _response("400 Bad Request", "This is no request.\n")
        if self._fits(given) and "upgrade" not in headers:
            cookie = f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            return _response("303 See Other", "", f"Location: /\r\nSet-Cookie: {cookie}\r\n")
        if self._fits(given) or (COOKIE in cookies and self._fits(cookies[COOKIE].value)):
            return None
        return _response("403 Forbidden", REFUSAL)

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner)
        try:
            inner_writer.write(head)
            down = asyncio.ensure_future(_copy(inner_reader, writer))
            if b"\r\nupgrade:" not in head.lower():
                # a page or a part of it: whatever else comes on this connection is not looked at
                await down
                return
            up = asyncio.ensure_future(_copy(reader, inner_writer))
            try:
                # when one side has hung up, so does the other
                await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (up, down):
                    task.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(MOST_HEAD):
            writer.write(data)
            await writer.drain()


def _response(status: str, text: str, headers: str = "") -> bytes:
    body = text.encode()
    return (
        f"HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + body
