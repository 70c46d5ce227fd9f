"""Endpoint: a chat model behind an OpenAI-compatible server (vLLM, Ollama, LM Studio, OpenAI, ...).

Only `POST {base_url}/chat/completions` is used, with pictures as data URLs: what all of them share.
No vendor's client is needed. Whatever the server does ends as a reply or a `Problem`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from octoworld.core.errors import ConfigError

from .answer import Problem, ProblemKind
from .chat import Message, Reply
from .pictures import data_url
from .wire import Response, post

BUSY = frozenset((408, 429, 500, 502, 503, 504))
"""HTTP statuses after which the same request may succeed."""
LONGEST_WAIT = 30.0
"""Between two tries, however long the server asks for [s]."""


@dataclass(frozen=True)
class EndpointConfig:
    """Where the model is, and how it is asked."""

    model: str
    base_url: str = ""
    """With its version, `http://localhost:8000/v1` (vLLM), `http://localhost:11434/v1` (Ollama),
    `http://localhost:1234/v1` (LM Studio). Empty: OPENAI_BASE_URL, else OpenAI's own."""
    api_key: str = field(default="", repr=False)
    """Empty: OPENAI_API_KEY; local servers need none."""
    timeout: float = 120.0
    """Seconds for one answer altogether."""
    tries: int = 3
    """Of a request that a busy server turns away."""
    wait: float = 1.0
    """Before the second try [s]; doubled before each further one."""
    temperature: float = 0.0
    max_tokens: int = 1024
    """Of an answer."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the request: `seed`, `response_format`, vLLM's `structured_outputs`, ..."""

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "EndpointConfig.model is empty; expected the name that the server uses"
            )
        if not self.timeout > 0:
            raise ConfigError(f"EndpointConfig.timeout must be above 0, not {self.timeout!r}")
        if self.tries < 1:
            raise ConfigError(f"EndpointConfig.tries must be 1 or more, not {self.tries!r}")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"base_url {self.base_url!r} is no address; expected http://host:port/v1"
            )

    @property
    def url(self) -> str:
        """Of the requests."""
        base = self.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        return base.rstrip("/") + "/chat/completions"


class Endpoint:
    """A `ChatModel` over HTTP."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self.name = config.model

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        """See `ChatModel.complete`."""
        config = self.config
        key = config.api_key or os.environ.get("OPENAI_API_KEY", "")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps(request_body(config, messages)).encode()
        pause = config.wait
        for left in reversed(range(config.tries)):
            response = post(config.url, body, headers, config.timeout)
            is_busy = isinstance(response, Response) and response.status in BUSY
            if not (left and is_busy):
                break
            asked = response.retry_after if isinstance(response, Response) else None
            time.sleep(min(asked if asked is not None else pause, LONGEST_WAIT))
            pause *= 2
        answer = response if isinstance(response, Problem) else read_response(response, config.url)
        if key and isinstance(answer, Problem):  # some servers repeat the header that they refuse
            return Problem(answer.kind, answer.message.replace(key, "***"))
        return answer


def request_body(config: EndpointConfig, messages: Sequence[Message]) -> dict[str, Any]:
    """The request as JSON values."""
    body = {
        "model": config.model,
        "messages": [{"role": m.role, "content": _content(m)} for m in messages],
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        **config.extra,
    }
    if "max_completion_tokens" in config.extra:  # the newer name; servers refuse both together
        del body["max_tokens"]
    return body


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.text
    pictures = [
        {"type": "image_url", "image_url": {"url": data_url(image, name)}}
        for name, image in message.images
    ]
    return [{"type": "text", "text": message.text}, *pictures]


def read_response(response: Response, url: str) -> Reply | Problem:
    """What a server sent, as a reply, or as what is wrong with it."""
    body = response.body.lstrip()
    if "text/html" in response.content_type or body[:1] == "<":
        title = re.search(r"<title[^>]*>([^<]{0,80})", body[:2000], re.IGNORECASE)
        name = f" {title[1].strip()!r}" if title else ""
        return Problem(
            "html",
            f"{url} answered {response.status} with a web page{name}; is it the API's address? "
            "It usually ends in /v1",
        )
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if response.status != 200:
        return Problem("status", f"{url} answered {response.status}: {_reason(value, body)}")
    try:
        choice = value["choices"][0]
        content = choice["message"].get("content")
        finish = choice.get("finish_reason")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        usage = value.get("usage") or {}
        tokens = (int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        if not isinstance(content, str | None):
            raise TypeError
    except (TypeError, KeyError, IndexError, AttributeError, ValueError):
        return Problem("format", f"{url} sent no chat completion: {body[:200]!r}")
    if not content:
        kind: ProblemKind = "refused" if finish == "content_filter" else "empty"
        refusal = choice["message"].get("refusal")
        return Problem("refused" if refusal else kind, str(refusal or f"no text ({finish})")[:500])
    return Reply(content, finish == "length", tokens)


def _reason(value: Any, body: str) -> str:
    """The message of an error, where servers put it."""
    if isinstance(value, dict):
        error = value.get("error", value.get("message", value.get("detail")))
        if isinstance(error, dict):
            error = error.get("message")
        if error:
            return str(error)[:500]
    return body[:200] or "nothing"
