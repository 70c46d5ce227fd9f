"""Time, talk and the end: wait, ask, done."""

from __future__ import annotations

from ..result import SkillFailureError
from .base import LONGEST_WAIT, Acting, Done, skill

ASK_SECONDS = 4.0
"""[s]."""
LONGEST_TEXT = 200
"""Characters of a question or an answer."""
LARGEST = 1e12
"""Number that is an answer."""


@skill
def wait(a: Acting, seconds: float) -> Done:
    """Let some seconds pass (at most 600)."""
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= LONGEST_WAIT:
        raise SkillFailureError("BAD_ARGUMENT", f"expected 0 to {LONGEST_WAIT:g} seconds", 0.0)
    return Done(f"waited {seconds:g} s", float(seconds))


@skill
def ask(a: Acting, question: str) -> Done:
    """Ask the person a question in words; the value is the answer."""
    if not isinstance(question, str) or not question.strip() or len(question) > LONGEST_TEXT:
        raise SkillFailureError("BAD_ARGUMENT", "expected a short question in words", 0.0)
    words = question.lower()
    answer = next((says for key, says in a.answers.items() if key in words), "I do not know.")
    return Done(f"the person says: {answer}", ASK_SECONDS, answer)


@skill
def done(a: Acting, answer: str | int | float | bool | None = None) -> Done:
    """Say that the task is done, with the answer where the task is a question."""
    too_long = len(answer) > LONGEST_TEXT if isinstance(answer, str) else False
    # an integer of thousands of digits cannot even be written
    too_large = abs(answer) > LARGEST if isinstance(answer, int | float) else False
    if not isinstance(answer, str | int | float | bool | None) or too_long or too_large:
        raise SkillFailureError("BAD_ARGUMENT", "expected a short answer or none", 0.0)
    a.state.answer, a.state.finished = answer, True
    return Done("done" if answer is None else f"done, the answer is {answer!r}", 0.0)
