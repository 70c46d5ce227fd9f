"""Names: from what a program says ("the red mug", "mug_1") to the one thing that is meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .home import Home
from .objects import KINDS, kind_of
from .result import SkillFailureError
from .state import State

_ARTICLES = ("the ", "a ", "an ")


def said(word: object) -> str:
    """A name as it is compared: lower case, underscores, no article.

    Raises:
        SkillFailureError: it is not a name at all.
    """
    if not isinstance(word, str) or not word.strip() or len(word) > 100:
        # never the repr of what a program made: it may be endless, or refuse to be written
        shown = repr(word[:40]) if isinstance(word, str) else f"a {type(word).__name__}"
        raise SkillFailureError("BAD_ARGUMENT", f"expected a name as 'mug_1', got {shown}", 0.0)
    name = word.strip().lower()
    for article in _ARTICLES:
        name = name.removeprefix(article)
    return "_".join(name.split())


def find_piece(home: Home, word: object, near: str = "") -> str:
    """The piece that is meant; `near` (where the robot is) decides between several of a kind.

    Raises:
        SkillFailureError: there is none, or several.
    """
    name = said(word)
    if name in home.by_name:
        return name
    same = home.of_kind(name)
    if near in same:
        return near
    if len(same) == 1:
        return same[0]
    if same:
        choices = ", ".join(same)
        raise SkillFailureError("AMBIGUOUS", f"which {name}? There are {choices}", 0.0)
    raise _unknown(name, home.by_name)


def find_thing(state: State, word: object, among: Iterable[str]) -> str:
    """The thing that is meant: by its name anywhere, by kind or colour and kind `among` some.

    Raises:
        SkillFailureError: there is none, or several.
    """
    name = said(word)
    if name in state.place:
        return name
    among = list(among)
    color, _, rest = name.partition("_")
    fits = [
        t
        for t in among
        if kind_of(t) == name or (rest and kind_of(t) == rest and state.color.get(t) == color)
    ]
    if len(fits) == 1:
        return fits[0]
    if fits:
        shown = ", ".join(f"{t} ({state.color[t]})" if t in state.color else t for t in fits)
        raise SkillFailureError("AMBIGUOUS", f"which {name}? There are {shown}", 0.0)
    if name in KINDS or rest in KINDS:
        raise SkillFailureError("NOT_IN_SIGHT", f"no {name.replace('_', ' ')} is in sight here")
    raise _unknown(name, [*state.place, *KINDS])


def _unknown(name: str, known: Iterable[str]) -> SkillFailureError:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return SkillFailureError("UNKNOWN_NAME", f"there is no {name!r} in this home{hint}", 0.0)
