"""Plan and program out of what models write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla.programmer import parse_answer

FENCED = "Plan: open it, then look\n```python\nopen('drawer')\nlook()\n```\n"


def test_plan_and_program() -> None:
    answer = parse_answer(FENCED, tokens=(5, 6))
    assert answer.plan == "open it, then look"
    assert answer.program == "open('drawer')\nlook()\n"
    assert answer.problem is None
    assert (answer.text, answer.tokens) == (FENCED, (5, 6))


@pytest.mark.parametrize(
    ("text", "plan", "program"),
    [
        ("```\nlook()\n```", "", "look()\n"),
        ("**Plan**\n1. look\n\n**Code:**\n```py\nlook()\n```\nDone!", "1. look", "look()\n"),
        ("Try:\n```python\npick('x')\n```\nBetter:\n```python\nlook()\n```", None, "look()\n"),
        (
            "<think>```python\nopen('x')\n```</think>Plan: go\n```python\nlook()\n```",
            "go",
            "look()\n",
        ),
        ("```text\nnot this\n```\n```python\nlook()\n```", None, "look()\n"),
        ('{"plan": "see", "program": "look()"}', "see", "look()"),
        ("Plan: a\r\n```python\r\nlook()\r\n```\r\n", "a", "look()\r\n"),
        ("```python\nprint('```')\n```", "", "print('```')\n"),
    ],
)
def test_the_ways_of_models(text: str, plan: str | None, program: str) -> None:
    answer = parse_answer(text)
    assert answer.problem is None
    assert answer.program == program
    assert plan in (None, answer.plan)


@pytest.mark.parametrize(
    ("text", "is_cut", "kind"),
    [
        ("", False, "empty"),
        ("<think>what to do", False, "empty"),
        ("I cannot do that.", False, "no_program"),
        ("Plan: look\n```python\n```", False, "no_program"),
        ("```json\n{}\n```", False, "no_program"),
        ("Plan: look\n```python\nlook()", False, "cut_off"),
        ("Plan: first I will", True, "cut_off"),
        ("a" * 300_000, False, "too_long"),
        ("\n" * 190_000, False, "empty"),
        ("a" + " \n" * 90_000 + "```", False, "cut_off"),
        ("plan" * 40_000 + "\n```python\n", False, "cut_off"),
        ("```x\n```\n" * 20_000, False, "no_program"),
        ("<think>" * 20_000, False, "empty"),
        ('{"plan": "see"}', False, "no_program"),
        ('{"program": ' + "[" * 100_000, False, "no_program"),
    ],
)
def test_what_cannot_be_read_is_a_problem(text: str, is_cut: bool, kind: str) -> None:
    answer = parse_answer(text, is_cut=is_cut)
    assert answer.problem is not None
    assert answer.problem.kind == kind
    assert answer.text == text


@given(st.text(alphabet="`python\n plan:{}<think>/\"'", max_size=80))
def test_nothing_raises(text: str) -> None:
    answer = parse_answer(text)
    assert (answer.problem is None) == bool(answer.program.strip())
