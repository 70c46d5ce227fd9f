"""Programs as text: calls of skills in a small Python-like language, one a line."""

from __future__ import annotations

from collections.abc import Iterable

from .result import SkillCall


def straight(calls: Iterable[SkillCall]) -> str:
    """Calls one after another, without conditions."""
    return "".join(f"{call}\n" for call in calls)
