"""Finding families: look for what is meant, in rooms, behind doors, or by asking the person."""

from __future__ import annotations

from ..language import COLOR_NAMES
from .family import Asked, family, spaced
from .result import SkillCall
from .routine import exists_piece
from .setting import HIDDEN, Setting


def closed_places(s: Setting) -> list[str]:
    """Pieces that can hide something."""
    return [p.name for p in s.home.pieces if p.kind.name in HIDDEN and p.kind.openable]


def room_by_room(s: Setting, *tests: str) -> str:
    """Lines that look through all rooms for a thing that passes tests, and go and take it."""
    lines = ['found = ""', f"for room in {list(s.home.rooms)!r}:"]
    lines += ['    if found == "":', "        go_to(room)", "        for thing in look():"]
    depth = 12
    for test in tests:
        lines.append(" " * depth + f"if {test}:")
        depth += 4
    lines += [" " * depth + "found = thing", " " * depth + "place = where(thing)"]
    return "\n".join([*lines, "go_to(place)", "pick(found)"]) + "\n"


def indented(source: str) -> str:
    """Lines one block further in."""
    return "".join(f"    {line}\n" for line in source.splitlines())


@family(
    "search", "reasoning",
    [(a, b) for a in ("phone", "remote", "key", "spoon", "book", "cube", "apple", "can")
     for b in ("table", "sofa", "desk")],
    "find the {a}, which is in something closed, and put it on the {b}",
    "I cannot find the {a}; it is hidden somewhere. bring it to the {b}",
    "look for the {a} in drawers and cabinets and put it on the {b}",
    "search for the {a} and lay it on the {b}", "somebody put the {a} away; I want it on the {b}",
)  # fmt: skip
def _search(s: Setting, a: str, b: str) -> Asked:
    target = s.pieces(b)[0]
    thing = s.add(a, hidden=True)
    program = (
        'found = ""\n'
        f"for place in {closed_places(s)!r}:\n"
        '    if found == "":\n'
        "        go_to(place)\n"
        '        if check(place, "closed"):\n'
        "            open(place)\n"
        "        for thing in look(place):\n"
        f'            if check(thing, "{a}"):\n'
        "                found = thing\n"
        '        if found != "":\n'
        "            pick(found)\n"
        f'go_to("{target}")\n'
        f'place_on("{target}")\n'
        "done()\n"
    )
    words = {"a": spaced(a), "b": spaced(b)}
    return Asked(exists_piece("on", thing, b), words, program=program)


WASHED = {
    "sink": ("mug", "plate", "bowl", "glass", "spoon"), "washbasin": ("shirt", "sock", "towel"),
}  # fmt: skip


@family(
    "if_on", "reasoning",
    [(a, b, c) for a in ("tv", "lamp", "stove", "fan") for b in ("apple", "book", "mug")
     for c in ("table", "bed")],
    "if the {a} is on turn it off, else put the {b} on the {c}",
    "when no {a} is on I want the {b} on the {c}, otherwise every {a} off",
    "turn off the {a}; should it be off already, put the {b} on the {c}",
    "is the {a} running? then stop it. if not, bring the {b} to the {c}",
)  # fmt: skip
def _if_on(s: Setting, a: str, b: str, c: str) -> Asked:
    pieces = s.pieces(a)
    s.pieces(c)
    thing = s.add(b, avoid=(c,))
    running = bool(s.rng.random() < 0.5)
    for piece in pieces:
        s.state.running[piece] = running
    goal = f"(forall ?p {a} (switched_off ?p))" if running else exists_piece("on", thing, c)
    target = s.home.of_kind(c)[0]
    program = (
        "running = False\n"
        f"for place in {list(pieces)!r}:\n"
        "    go_to(place)\n"
        '    if check(place, "on"):\n'
        "        running = True\n"
        "        turn_off(place)\n"
        "if not running:\n"
        + indented(room_by_room(s, f'check(thing, "{b}")'))
        + f'    go_to("{target}")\n'
        f'    place_on("{target}")\n'
        "done()\n"
    )
    return Asked(goal, {"a": spaced(a), "b": spaced(b), "c": spaced(c)}, program=program)


@family(
    "locked", "reasoning",
    [(a, b) for a in ("book", "phone", "remote", "cube", "can") for b in ("table", "desk", "bed")],
    "the {a} is locked in the safe; unlock it with the key and put the {a} on the {b}",
    "get the {a} out of the locked safe and bring it to the {b}",
    "find the key, open the safe, and put the {a} from it on the {b}",
    "I want the {a} that is in the safe on the {b}",
)  # fmt: skip
def _locked(s: Setting, a: str, b: str) -> Asked:
    safe = s.piece("safe")
    s.pieces(b)
    thing = s.add(a, where=(safe,), hidden=True)
    s.state.locked[safe] = True
    s.add("key", hidden=None)
    return Asked(exists_piece("on", thing, b), {"a": spaced(a), "b": spaced(b)})


@family(
    "colored", "reasoning",
    [(c, a, b) for c in COLOR_NAMES for a in ("mug", "plate", "car", "cube")
     for b in ("table", "desk", "bed")],
    "put the {c} {a} on the {b}", "bring the {c} {a} to the {b}",
    "of the {a}s take the {c} one and put it on the {b}", "I want the {a} that is {c} on the {b}",
)  # fmt: skip
def _colored(s: Setting, c: str, a: str, b: str) -> Asked:
    s.pieces(b)
    others = [o for o in COLOR_NAMES if o != c]
    first = bool(s.rng.random() < 0.5)
    wrong = others[int(s.rng.integers(len(others)))]
    colors = (c, wrong) if first else (wrong, c)
    things = {color: s.add(a, avoid=(b,), color=color) for color in colors}
    goal = f"(and {exists_piece('on', things[c], b)} (not {exists_piece('on', things[wrong], b)}))"
    target = s.home.of_kind(b)[0]
    program = (
        room_by_room(s, f'check(thing, "{a}")', f'check(thing, "{c}")')
        + f'go_to("{target}")\nplace_on("{target}")\ndone()\n'
    )
    return Asked(goal, {"c": c, "a": spaced(a), "b": spaced(b)}, program=program)


@family(
    "my_own", "reasoning",
    [(a, b) for a in ("mug", "plate", "car", "cube") for b in ("table", "desk", "sofa")],
    "bring my {a} to the {b}; ask me which one is mine", "put my own {a} on the {b}, not another",
    "I want my {a} on the {b}", "the {a} that belongs to me should be on the {b}",
)  # fmt: skip
def _my_own(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    drawn = [COLOR_NAMES[int(i)] for i in s.rng.permutation(len(COLOR_NAMES))[:2]]
    things = [s.add(a, avoid=(b,), color=color) for color in drawn]
    mine = int(s.rng.integers(2))
    s.answers[a] = s.answers["which"] = f"mine is the {drawn[mine]} one"
    goal = (
        f"(and {exists_piece('on', things[mine], b)} "
        f"(not {exists_piece('on', things[1 - mine], b)}))"
    )
    first = (SkillCall("ask", (f"which {a} is yours?",)),)
    target = s.home.of_kind(b)[0]
    program = (
        f'answer = ask("which {a} is yours?")\n'
        'mine = ""\n'
        f"for color in {list(COLOR_NAMES)!r}:\n"
        "    if color in answer:\n"
        "        mine = color\n"
        + room_by_room(s, f'check(thing, "{a}")', "check(thing, mine)")
        + f'go_to("{target}")\nplace_on("{target}")\ndone()\n'
    )
    words = {"a": spaced(a), "b": spaced(b)}
    return Asked(goal, words, first=first, program=program)
