"""Agent: (what is to be done, what is seen, what happened) -> plan and program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from .answer import Answer, Problem, parse_answer
from .chat import ChatModel, Message, Reply
from .language.manual import describe_language
from .skills import Skills, describe_skills
from .strategies import Strategy, get_strategy


@dataclass(frozen=True)
class View:
    """All that an agent is given before it writes a program."""

    instruction: str
    text: str = ""
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    feedback: str = ""
    """What the last program did; empty in the first turn, or where the strategy keeps it back."""
    turn: int = 0


class Agent(Protocol):
    """Writes programs. Chat models, small networks and scripted teachers alike."""

    name: str
    strategy: Strategy
    """How often it is asked, and what it is told."""

    def reset(self, skills: Skills) -> None:
        """A new episode begins, in which these skills exist."""
        ...

    def act(self, view: View) -> Answer:
        """Plan and program for what is seen now. Trouble is told in `Answer.problem`."""
        ...


ROLE = "You control a robot by writing short programs that call its skills."
FORMAT = """\
Answer with a short plan in words and then one program:

Plan: what you will do, step by step
```python
the program
```"""


def briefing(skills: Skills, strategy: Strategy | str, answer: str = FORMAT) -> str:
    """What a model is told before it sees anything: skills, language, and how to answer."""
    parts = (
        ROLE,
        f"Skills:\n{describe_skills(skills)}",
        describe_language().rstrip(),
        get_strategy(strategy).advice,
        answer,
    )
    return "\n\n".join(part for part in parts if part)


class ChatAgent:
    """An agent made of a chat model and a strategy."""

    def __init__(self, model: ChatModel, strategy: Strategy | str = "retry") -> None:
        self.model = model
        self.strategy = get_strategy(strategy)
        self.name = f"{model.name} {self.strategy.name}"
        self.messages: list[Message] = []

    def reset(self, skills: Skills) -> None:
        """See `Agent.reset`."""
        self.messages = [Message("system", briefing(skills, self.strategy))]

    def act(self, view: View) -> Answer:
        """See `Agent.act`. Pictures are sent for the present moment only."""
        self.messages = [Message(m.role, m.text) for m in self.messages]
        images = tuple(view.images.items())
        if self.strategy.plans_first and not view.turn:
            self.messages.append(
                Message("user", f"{user_text(view)}\n\nWrite the plan only.", images)
            )
            reply = self._ask()
            if isinstance(reply, Problem):
                return Answer("", "", problem=reply)
            self.messages.append(Message("user", "Now write the program for this plan."))
        else:
            self.messages.append(Message("user", user_text(view), images))
        reply = self._ask()
        if isinstance(reply, Problem):
            return Answer("", "", problem=reply)
        return parse_answer(reply.text, is_cut=reply.is_cut, tokens=reply.tokens)

    def _ask(self) -> Reply | Problem:
        """One exchange; a question that nobody answered leaves the conversation again."""
        reply = self.model.complete(self.messages)
        if isinstance(reply, Problem):
            self.messages.pop()
        else:
            self.messages.append(Message("assistant", reply.text))
        return reply


def user_text(view: View) -> str:
    """What a chat model is told of a view, beside its pictures."""
    parts = []
    if view.feedback:
        parts.append(f"What your last program did:\n{view.feedback}")
    parts.append(f"Task: {view.instruction}")
    if view.images:
        parts.append(f"Pictures, in this order: {', '.join(view.images)}.")
    if view.text:
        parts.append(view.text)
    return "\n\n".join(parts)
