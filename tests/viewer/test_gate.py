"""Pages for other machines: who has the token comes in, nobody else, and by no other way."""

import asyncio
import contextlib
import http.client
import socket

import pytest
import viser
import websockets

from octoworld.core.errors import ConfigError
from octoworld.viewer.gate import COOKIE, is_loopback
from octoworld.viewer.server import address, announce, open_server


@pytest.fixture(scope="module")
def server():
    server = open_server("0.0.0.0", 18680)
    yield server
    server.stop()


def ask(server, path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.gate.port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read()


def cookie_of(server):
    return {"Cookie": f"other=1; {COOKIE}={server.gate.token}"}


def test_loopback_needs_no_token():
    server = open_server("127.0.0.1", 18690)
    try:
        assert server.gate is None and "token" not in address(server, "127.0.0.1")
    finally:
        server.stop()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_addresses(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_addresses_that_others_reach(host):
    assert not is_loopback(host)


def test_the_printed_address_opens_the_page(server, capsys):
    announce("viewer", server, "0.0.0.0", server.gate.port)
    url = capsys.readouterr().out.split()[-1]
    assert url == f"http://localhost:{server.gate.port}/?token={server.gate.token}"
    assert len(server.gate.token) >= 20
    response, _ = ask(server, url[url.index("/?") :])
    assert response.status == 303 and response.getheader("Location") == "/"
    given = response.getheader("Set-Cookie")
    assert given is not None and "HttpOnly" in given and "SameSite=Strict" in given
    response, page = ask(server, "/", Cookie=given.split(";")[0])
    assert response.status == 200 and b"<html" in page


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?token=", {}),
        ("/?token=wrong", {}),
        ("/assets/index.js", {}),
        ("/", {"Cookie": f"{COOKIE}=wrong"}),
        ("/", {"Cookie": f"{COOKIE}="}),
        ("/", {"Cookie": "token token"}),
        ("/", {"Authorization": "Bearer x", "X-Forwarded-For": "127.0.0.1"}),
    ],
)
def test_without_the_token_nothing_is_served(server, path, headers):
    response, said = ask(server, path, **headers)
    assert response.status == 403 and b"needs its token" in said and b"<html" not in said


def test_a_second_request_on_a_connection_is_not_passed_on(server):
    with socket.create_connection(("127.0.0.1", server.gate.port), timeout=20) as line:
        one = f"GET /x HTTP/1.1\r\nHost: x\r\nCookie: {cookie_of(server)['Cookie']}\r\n\r\n"
        line.sendall(one.encode() + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionResetError):  # what was sent behind is thrown away
            while part := line.recv(65536):
                said += part
    assert said.count(b"HTTP/1.1") <= 1 and b"<html" not in said


@pytest.mark.parametrize(
    "sent", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe\x00 / x\r\n\r\n", b"GET //[ HTTP/1.1\r\n\r\n",
             b"A" * 100_000 + b"\r\n\r\n"],
)  # fmt: skip
def test_nonsense_is_turned_away(server, sent):
    with socket.create_connection(("127.0.0.1", server.gate.port), timeout=20) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        try:
            said = b"".join(iter(lambda: line.recv(65536), b""))
        except ConnectionResetError:
            said = b""
    assert b"200 OK" not in said
    assert ask(server)[0].status == 403  # it is still there


def open_socket(server, headers, path="/"):
    async def talk():
        url = f"ws://127.0.0.1:{server.gate.port}{path}"
        protocol = websockets.Subprotocol(f"viser-v{viser.__version__}")
        async with websockets.connect(
            url, additional_headers=headers, subprotocols=[protocol], open_timeout=20, max_size=None
        ) as line:
            return await asyncio.wait_for(line.recv(), 20)

    return asyncio.run(talk())


def test_the_websocket_needs_the_token_too(server):
    for headers in ({}, {"Cookie": f"{COOKIE}=wrong"}):
        with pytest.raises(websockets.InvalidStatus, match="403"):
            open_socket(server, headers)
    assert len(open_socket(server, cookie_of(server))) > 0
    assert len(open_socket(server, {}, f"/?token={server.gate.token}")) > 0


def test_the_page_itself_listens_on_loopback_only(server):
    assert server.get_host() == "127.0.0.1" and server.get_port() != server.gate.port


def test_a_taken_port_is_left_for_the_next_free_one(server):
    other = open_server("0.0.0.0", server.gate.port)
    try:
        assert other.gate is not None
        assert other.gate.port > server.gate.port and other.gate.token != server.gate.token
    finally:
        other.stop()


def test_the_token_may_be_given(monkeypatch):
    monkeypatch.setenv("OCTOWORLD_TOKEN", "my-own_token.1")
    server = open_server("0.0.0.0", 18700)
    try:
        assert address(server, "0.0.0.0").endswith("/?token=my-own_token.1")
    finally:
        server.stop()


@pytest.mark.parametrize("token", ["", "short", "with space in it", "semi;colon;colon"])
def test_a_poor_token_is_refused(monkeypatch, token):
    monkeypatch.setenv("OCTOWORLD_TOKEN", token)
    with pytest.raises(ConfigError, match="OCTOWORLD_TOKEN must have 8 characters"):
        open_server("0.0.0.0", 18710)


def test_an_address_that_is_not_this_machines(monkeypatch):
    with pytest.raises(ConfigError, match=r"host '203\.0\.113\.7': nothing can listen"):
        open_server("203.0.113.7", 18720)
