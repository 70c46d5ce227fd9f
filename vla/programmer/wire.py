"""One HTTP request with a deadline that holds, whatever the other side does.

`timeout` of sockets is per read: a server that sends a byte now and then would hold a client for
ever. Here a timer shuts the connection. No redirect is followed, so that a key never travels on.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from .answer import Problem

MAX_BODY = 16_000_000
"""Bytes of a response; a long answer has 100 kB."""


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    content_type: str
    body: str
    retry_after: float | None = None
    """Seconds that the server asks to wait."""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Response | Problem:
    """POST `body` to an http or https URL, in `timeout` seconds altogether."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    is_late = threading.Event()
    sockets: list[socket.socket] = []  # the connection lets go of its own before all is read

    def give_up() -> None:
        is_late.set()
        for each in sockets:
            with suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(timeout, give_up)
    watch.daemon = True
    watch.start()
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.connect()
        sockets.append(connection.sock)
        connection.request("POST", target, body, dict(headers))
        response = connection.getresponse()
        content = response.read(MAX_BODY + 1)
        if is_late.is_set():
            return _late(url, timeout)
        if response.length and len(content) <= MAX_BODY:  # what is missing of Content-Length
            return Problem("down", f"{url} broke off after {len(content)} bytes")
        if len(content) > MAX_BODY:
            return Problem("format", f"{url} sent more than {MAX_BODY} bytes")
        return Response(
            response.status,
            response.headers.get("Content-Type", ""),
            content.decode("utf-8", "replace"),
            _seconds(response.headers.get("Retry-After", "")),
        )
    except TimeoutError:
        return _late(url, timeout)
    except (OSError, http.client.HTTPException) as error:
        if is_late.is_set():
            return _late(url, timeout)
        reason = str(error) or type(error).__name__
        return Problem("down", f"nobody answers at {parts.scheme}://{parts.netloc}: {reason}")
    finally:
        watch.cancel()
        connection.close()


def _late(url: str, timeout: float) -> Problem:
    return Problem("timeout", f"no answer from {url} within {timeout:g} s")


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdecimal() else None
