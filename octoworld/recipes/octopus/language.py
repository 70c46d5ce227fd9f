"""What household programs can say, what can be seen in a picture, and which words are read."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.household import SkillCall
from tasks.household.family import FAMILIES
from tasks.household.furniture import FURNITURE
from tasks.household.home import Home
from tasks.household.objects import KINDS, kind_named, kind_of
from tasks.household.skills import CODES
from tasks.household.splits import HELD_OUT_OBJECTS
from tasks.household.state import State, flags
from tasks.language import COLOR_NAMES
from vla.programmer.tiny import Grammar, GrammarConfig, Line, vocabulary_of

GRAMMAR = GrammarConfig(
    skills={
        "open": "here", "close": "here", "turn_on": "here", "turn_off": "here", "unlock": "here",
        "pick": "thing", "heat": "thing", "cook": "thing", "cool": "thing", "wash": "thing",
        "slice": "thing", "brew": "thing", "place_on": "here_or_thing",
        "place_in": "here_or_thing", "pour": "here_or_thing", "fill": "none",
    },
    nouns=tuple(KINDS),
    adjectives=COLOR_NAMES,
)  # fmt: skip
"""All skills but those that tell in words what could be seen: look, where, check; and ask."""
SKILLS = (GRAMMAR.go, *GRAMMAR.skills, GRAMMAR.end)
"""Skills of the scenes, of every arm."""
DIRTY = "dirty"
ADJECTIVES = (*COLOR_NAMES, DIRTY)
"""Of things, as `LABELS` say them: an eye numbers them in the order in which labels do."""
STATES = ("open", "on")
"""Of furniture."""


def _labels() -> tuple[str, ...]:
    colored = [f"{c} {k.name}" for k in KINDS.values() if k.color is None for c in COLOR_NAMES]
    dirty = [f"{DIRTY} {k.name}" for k in KINDS.values() if k.washable]
    return (*FURNITURE, *STATES, *KINDS, *colored, *dirty)


LABELS = _labels()
"""What an eye is taught: the piece and its state, things on or in it, their colours, dirt."""
_NUMBER = {label: i for i, label in enumerate(LABELS)}
KNOWN = tuple(label.split()[-1] not in HELD_OUT_OBJECTS for label in LABELS)
"""Labels that training shows: nobody teaches what a lemon looks like."""


def labels_of(state: State, home: Home) -> list[list[int]]:
    """Numbers of the labels that the picture of each piece shows."""
    found: list[list[int]] = []
    for piece in home.pieces:
        seen = [piece.kind.name]
        seen += [s for s in STATES if flags(state, piece.name).get(s)]
        for thing in state.place:
            if state.root(thing) == piece.name and not is_hidden(state, home, thing):
                kind = kind_of(thing)
                seen.append(kind)
                if thing in state.color:
                    seen.append(f"{state.color[thing]} {kind}")
                if state.dirty.get(thing):
                    seen.append(f"{DIRTY} {kind}")
        found.append([_NUMBER[label] for label in seen])
    return found


def is_hidden(state: State, home: Home, thing: str) -> bool:
    """Whether a closed door is before a thing."""
    return any(
        relation == "in" and parent in home.by_name and not state.opened.get(parent, True)
        for relation, parent in state.parents(thing)
    )


def vocabulary(sentences: Sequence[str]) -> tuple[str, ...]:
    """All words of programs and labels, and those of sentences that training says."""
    grammar = Grammar(GRAMMAR)
    parts = [w for label in LABELS for w in label.split()]
    names = dict.fromkeys([*grammar.words, *parts, *FURNITURE, *CODES])
    return vocabulary_of(sentences, tuple(n for n in names if n.islower()))


def said(state: State, calls: Sequence[SkillCall]) -> list[Line] | None:
    """Calls with things named as they look: by kind, by colour where there are several.

    None where looks do not tell what is meant.
    """
    lines = []
    for call in calls:
        args = []
        for arg in call.args:
            name = str(arg)
            if name in state.place:
                looks = look_of(state, name)
                if not looks:
                    return None
                name = looks
            args.append(name)
        lines.append(Line(call.name, tuple(args)))
    return lines


def look_of(state: State, thing: str) -> str:
    """`mug` where there is one in the home, else `red mug`; empty where two look the same."""
    kind = kind_of(thing)
    others = [t for t in state.place if kind_of(t) == kind and t != thing]
    if not others:
        return kind
    color = state.color.get(thing)
    if kind_named(kind).color is not None or any(state.color.get(t) == color for t in others):
        return ""
    return f"{color} {kind}"


def training_sentences() -> list[str]:
    """Sentences of all families that training may say, with their slots left open."""
    return [
        template.replace("{", " ").replace("}", " ")
        for family in FAMILIES.values()
        for template in family.templates.templates[:-1]
    ]
