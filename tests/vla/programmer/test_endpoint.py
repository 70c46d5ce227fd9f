"""The wire: what is sent, what is read, and what a misbehaving endpoint becomes."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from octoworld.core.errors import ConfigError
from vla.programmer import Cassette, Endpoint, EndpointConfig, Message, Problem, Reply
from vla.programmer.pictures import data_url

from .fake_endpoint import FakeEndpoint, completion, drips, says, send

HELLO = [Message("system", "You are a robot."), Message("user", "Hello")]


def ask(behaviour: Any, messages: Sequence[Message] = HELLO, **config: Any) -> Reply | Problem:
    with FakeEndpoint(behaviour) as fake:
        settings = {"base_url": fake.base_url, "timeout": 5.0, "wait": 0.01, **config}
        return Endpoint(EndpointConfig("tiny", **settings)).complete(messages)


def test_a_reply() -> None:
    assert ask(says("Hi")) == Reply("Hi", is_cut=False, tokens=(12, 34))


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((4, 6, 3), 200, np.uint8)
    image[0, 0] = (255, 0, 0)
    with FakeEndpoint(says("Hi")) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url + "/")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        config = EndpointConfig("tiny", max_tokens=7, extra={"seed": 3})
        Endpoint(config).complete([*HELLO, Message("user", "Look", (("ahead", image),))])
    request = fake.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert fake.headers[0]["Authorization"] == "Bearer sk-secret"
    assert (request["model"], request["max_tokens"], request["seed"]) == ("tiny", 7, 3)
    assert request["messages"][0] == {"role": "system", "content": "You are a robot."}
    text, picture = request["messages"][2]["content"]
    assert text == {"type": "text", "text": "Look"}
    encoded = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    assert np.array_equal(decoded, image)


def test_newer_servers_take_max_completion_tokens() -> None:
    with FakeEndpoint(says("Hi")) as fake:
        config = EndpointConfig("m", fake.base_url, extra={"max_completion_tokens": 9})
        Endpoint(config).complete(HELLO)
    assert "max_tokens" not in fake.requests[0]


def test_a_key_is_shown_nowhere() -> None:
    def refuses(handler: Any, body: Any) -> None:
        send(handler, {"error": {"message": f"bad {handler.headers['Authorization']}"}}, 401)

    config = EndpointConfig("m", "http://localhost/v1", api_key="sk-secret")
    assert "sk-secret" not in repr(config)
    problem = ask(refuses, api_key="sk-secret")
    assert isinstance(problem, Problem)
    assert problem.kind == "status"
    assert problem.message.endswith("answered 401: bad Bearer ***")


HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
MISBEHAVIOUR = [
    ("a web page", lambda h, b: send(h, HTML, content_type="text/html"), "html", "'Sign in'"),
    ("a web page as json", lambda h, b: send(h, HTML), "html", "usually ends in /v1"),
    ("a web page with an error", lambda h, b: send(h, HTML, 502, "text/html"), "html", "502"),
    ("no model", lambda h, b: send(h, {"error": {"message": "no such model"}}, 404), "status",
     "404: no such model"),
    ("ollama's error", lambda h, b: send(h, {"error": "out of memory"}, 500), "status",
     "500: out of memory"),
    ("an error in words", lambda h, b: send(h, "overloaded", 503, "text/plain"), "status",
     "503: overloaded"),
    ("a redirect", lambda h, b: send(h, {}, 307, headers={"Location": "http://example.com"}),
     "status", "307"),
    ("no json", lambda h, b: send(h, "hello"), "format", "'hello'"),
    ("other json", lambda h, b: send(h, {"result": 1}), "format", "no chat completion"),
    ("a list", lambda h, b: send(h, [1, 2]), "format", "no chat completion"),
    ("no choices", lambda h, b: send(h, {"choices": []}), "format", "no chat completion"),
    ("numbers", lambda h, b: send(h, completion(7)), "format", "no chat completion"),
    ("deep json", lambda h, b: send(h, "[" * 100_000), "format", "no chat completion"),
    ("no text", lambda h, b: send(h, completion(None)), "empty", "stop"),
    ("filtered", lambda h, b: send(h, completion("", "content_filter")), "refused", "filter"),
    ("breaks off", lambda h, b: send(h, "{", headers={"Content-Length": "99"}), "down", "broke"),
    ("hangs up", lambda h, b: h.connection.close(), "down", "nobody answers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "kind", "message"),
    [case[1:] for case in MISBEHAVIOUR],
    ids=[case[0] for case in MISBEHAVIOUR],
)
def test_misbehaviour_is_a_problem(behaviour: Any, kind: str, message: str) -> None:
    problem = ask(behaviour)
    assert isinstance(problem, Problem)
    assert problem.kind == kind
    assert message in problem.message


def test_an_endpoint_that_is_down() -> None:
    with FakeEndpoint(says("Hi")) as fake:
        config = EndpointConfig("m", fake.base_url, timeout=2.0)
    problem = Endpoint(config).complete(HELLO)
    assert isinstance(problem, Problem)
    assert problem.kind == "down"


@pytest.mark.parametrize("behaviour", [lambda h, b: time.sleep(2.0), drips])
def test_an_endpoint_that_takes_too_long(behaviour: Any) -> None:
    began = time.monotonic()
    problem = ask(behaviour, timeout=0.3)
    assert isinstance(problem, Problem)
    assert problem.kind == "timeout"
    assert "within 0.3 s" in problem.message
    assert time.monotonic() - began < 2.0


def test_a_busy_endpoint_is_asked_again() -> None:
    answers = [429, 503, 200]

    def busy(handler: Any, body: Any) -> None:
        send(handler, completion("Hi"), answers.pop(0), headers={"Retry-After": "0"})

    assert ask(busy) == Reply("Hi", tokens=(12, 34))


def test_a_cut_reply_says_so() -> None:
    reply = ask(lambda h, b: send(h, completion("Once upon", "length")))
    assert reply == Reply("Once upon", is_cut=True, tokens=(12, 34))


def test_parts_of_a_reply_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert ask(lambda h, b: send(h, completion(parts))) == Reply("ab", tokens=(12, 34))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ""}, "model is empty"),
        ({"base_url": "localhost:8000"}, "is no address"),
        ({"base_url": "file:///etc/passwd"}, "is no address"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"tries": 0}, "tries must be 1 or more"),
    ],
)
def test_configs_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EndpointConfig(**{"model": "m", "base_url": "http://localhost/v1", **settings})


def test_only_pictures_are_sent() -> None:
    with pytest.raises(ConfigError, match=r"ahead is \(4, 4\) float64; expected \(H, W, 3\) uint8"):
        data_url(np.zeros((4, 4)), "ahead")


class Talker:
    """A model that says something else each time."""

    name = "talker"

    def __init__(self, *answers: Reply | Problem) -> None:
        self.answers = list(answers)

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        return self.answers.pop(0)


def test_a_cassette_replays_what_it_recorded(tmp_path: Path) -> None:
    image = (("ahead", np.zeros((2, 2, 3), np.uint8)),)
    seeing = [Message("user", "Look", image)]
    talker = Talker(Reply("one"), Reply("two", True, (3, 4)), Problem("down", "gone"))
    recorder = Cassette(tmp_path / "tape.json", talker, "record")
    said = [recorder.complete(m) for m in (HELLO, HELLO, seeing)]
    assert said == [Reply("one"), Reply("two", True, (3, 4)), Problem("down", "gone")]

    player = Cassette(tmp_path / "tape.json")
    assert player.name == "talker"
    assert [player.complete(m) for m in (HELLO, HELLO, seeing)] == said
    with pytest.raises(ConfigError, match="has no answer to 'Something else'; record it anew"):
        player.complete([Message("user", "Something else")])


def test_a_cassette_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    Cassette(tmp_path / "tape.json", Talker(Reply("one")), "record").complete(HELLO)
    again = Cassette(tmp_path / "tape.json", Talker(Reply("two")), "record")
    assert again.complete(HELLO) == Reply("one")
    assert again.complete(HELLO) == Reply("two")


def test_cassettes_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no cassette at"):
        Cassette(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="needs the model"):
        Cassette(tmp_path / "none.json", mode="record")
