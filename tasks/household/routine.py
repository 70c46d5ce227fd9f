"""Routine families: do one or two named things."""

from __future__ import annotations

from .family import Asked, family, spaced
from .setting import Setting

CARRIED = (
    "mug", "plate", "bowl", "apple", "orange", "tomato", "lemon", "bread", "can", "milk", "juice",
    "car", "teddy", "cube", "shirt", "towel", "book", "phone", "remote", "vase",
)  # fmt: skip
ONTO = (
    "counter", "table", "coffee_table", "desk", "sofa", "bed", "tv", "bookshelf", "dresser",
    "stove",
)  # fmt: skip
INTO: dict[str, tuple[str, ...]] = {
    "fridge": ("apple", "orange", "tomato", "lemon", "milk", "juice", "can", "pizza", "egg"),
    "cabinet": ("mug", "plate", "bowl", "glass", "pot", "vase", "juice"),
    "drawer": ("spoon", "phone", "remote", "cube", "book"),
    "dishwasher": ("mug", "plate", "bowl", "glass", "spoon"),
    "wardrobe": ("shirt", "towel", "book", "teddy"),
    "dresser": ("shirt", "sock", "remote", "phone"),
    "nightstand": ("book", "phone", "remote", "cube"),
    "washing_machine": ("shirt", "sock", "towel"),
    "oven": ("potato", "fish", "steak", "pizza"),
    "microwave": ("mug", "soup", "potato"),
}
SIMPLY_INTO: dict[str, tuple[str, ...]] = {
    "sink": ("mug", "plate", "bowl", "glass", "spoon", "pan"),
    "washbasin": ("towel", "glass", "sock"),
    "bin": ("can", "apple", "bottle", "egg"),
    "hamper": ("shirt", "sock", "towel"),
}


def exists_piece(relation: str, thing: str, kind: str, more: str = "") -> str:
    """Goal: a thing is on or in some piece of a kind, and `more` about the piece `?f`."""
    atom = f"({relation} {thing} ?f)"
    return f"(exists ?f {kind} {f'(and {atom} {more})' if more else atom})"


@family(
    "put_on", "routine", [(a, b) for a in CARRIED for b in ONTO if (a, b) != ("phone", "stove")],
    "put the {a} on the {b}", "bring the {a} to the {b}", "the {a} belongs on the {b}",
    "place the {a} on top of the {b}", "I want the {a} on the {b}", "move the {a} over to the {b}",
)  # fmt: skip
def _put_on(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a, avoid=(b,))
    return Asked(exists_piece("on", thing, b), {"a": spaced(a), "b": spaced(b)})


@family(
    "put_away", "routine", [(a, b) for b, things in INTO.items() for a in things],
    "put the {a} in the {b} and close it", "put the {a} away in the {b}",
    "store the {a} in the {b}, and shut the {b}", "the {a} goes into the {b}; leave the {b} closed",
    "I want the {a} inside the closed {b}", "the {a} should be in the {b}, with the {b} shut",
)  # fmt: skip
def _put_away(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a, avoid=(b,))
    return Asked(exists_piece("in", thing, b, "(closed ?f)"), {"a": spaced(a), "b": spaced(b)})


@family(
    "put_in", "routine", [(a, b) for b, things in SIMPLY_INTO.items() for a in things],
    "put the {a} in the {b}", "drop the {a} into the {b}", "the {a} belongs in the {b}",
    "bring the {a} to the {b} and put it in", "I want the {a} in the {b}",
)  # fmt: skip
def _put_in(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a)
    return Asked(exists_piece("in", thing, b), {"a": spaced(a), "b": spaced(b)})


FETCHED: dict[str, tuple[str, ...]] = {
    "fridge": ("milk", "juice", "apple", "can", "pizza"),
    "cabinet": ("mug", "plate", "glass"),
    "drawer": ("spoon", "knife", "remote"),
    "wardrobe": ("shirt", "towel"),
}


@family(
    "fetch", "routine", [(a, b) for b, things in FETCHED.items() for a in things],
    "take the {a} out of the {b} and put it on the table", "get the {a} from the {b} to the table",
    "the {a} is in the {b}; bring it to the table", "put the {a} from the {b} on the table",
    "fetch the {a} out of the {b} and set it on the table",
)  # fmt: skip
def _fetch(s: Setting, a: str, b: str) -> Asked:
    piece = s.piece(b)
    s.pieces(b)
    s.pieces("table")
    thing = s.add(a, where=(piece,), hidden=True)
    return Asked(exists_piece("on", thing, "table"), {"a": spaced(a), "b": spaced(b)})


OPENED = ("fridge", "oven", "microwave", "dishwasher", "wardrobe", "dresser", "nightstand",
          "washing_machine")  # fmt: skip
SWITCHED = ("stove", "oven", "microwave", "dishwasher", "sink", "coffee_machine", "tv", "fan",
            "washing_machine", "washbasin")  # fmt: skip


@family(
    "open", "routine", [(a,) for a in OPENED],
    "open the {a}", "leave the {a} open", "the {a} should stand open", "go and open the {a}",
    "I want the {a} open",
)  # fmt: skip
def _open(s: Setting, a: str) -> Asked:
    s.pieces(a)
    return Asked(f"(exists ?f {a} (open ?f))", {"a": spaced(a)})


@family(
    "close", "routine", [(a,) for a in OPENED],
    "close the {a}", "shut the {a}", "the {a} was left open; close it", "go and shut the {a}",
    "I want the {a} closed",
)  # fmt: skip
def _close(s: Setting, a: str) -> Asked:
    for piece in s.pieces(a):
        s.state.opened[piece] = True
    return Asked(f"(forall ?f {a} (closed ?f))", {"a": spaced(a)})


@family(
    "turn_on", "routine", [(a,) for a in SWITCHED],
    "turn on the {a}", "switch the {a} on", "start the {a}", "the {a} should be on",
    "I want the {a} running",
)  # fmt: skip
def _turn_on(s: Setting, a: str) -> Asked:
    s.pieces(a)
    return Asked(f"(exists ?f {a} (switched_on ?f))", {"a": spaced(a)})


@family(
    "turn_off", "routine", [(a,) for a in SWITCHED],
    "turn off the {a}", "switch the {a} off", "stop the {a}", "the {a} was left on; turn it off",
    "I want the {a} off",
)  # fmt: skip
def _turn_off(s: Setting, a: str) -> Asked:
    for piece in s.pieces(a):
        s.state.running[piece] = True
    return Asked(f"(forall ?f {a} (switched_off ?f))", {"a": spaced(a)})


@family(
    "heat", "routine",
    [(a, b) for a in ("soup", "pizza", "bread", "apple", "mug", "potato")
     for b in ("table", "counter", "desk", "coffee_table")],
    "heat the {a} and put it on the {b}", "bring the {a} hot to the {b}",
    "warm the {a} up, then set it on the {b}", "I want a hot {a} on the {b}",
    "serve the {a} hot on the {b}",
)  # fmt: skip
def _heat(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a, hidden=None)
    goal = f"(and (hot {thing}) {exists_piece('on', thing, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b)})


@family(
    "cool", "routine",
    [(a, b) for a in ("milk", "juice", "can", "apple", "tomato", "lemon")
     for b in ("table", "counter", "desk")],
    "cool the {a} and put it on the {b}", "bring the {a} cold to the {b}",
    "chill the {a}, then set it on the {b}", "I want a cold {a} on the {b}",
    "serve the {a} cold on the {b}",
)  # fmt: skip
def _cool(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a)
    goal = f"(and (cold {thing}) {exists_piece('on', thing, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b)})


@family(
    "cook", "routine", [(a, b) for a in ("potato", "egg", "steak", "fish")
                        for b in ("plate", "table", "counter")],
    "cook the {a} and put it on the {b}", "make the {a} and serve it on the {b}",
    "I want the {a} cooked, on the {b}", "the {a} is raw; cook it, then set it on the {b}",
    "prepare the {a}: cooked, and on the {b}",
)  # fmt: skip
def _cook(s: Setting, a: str, b: str) -> Asked:
    thing = s.add(a, hidden=None)
    if b == "plate":
        plate = s.add("plate", where=("counter", "table"))
        where = f"(on {thing} {plate})"
    else:
        s.pieces(b)
        where = exists_piece("on", thing, b)
    return Asked(f"(and (cooked {thing}) {where})", {"a": spaced(a), "b": spaced(b)})


@family(
    "wash", "routine",
    [(a, b) for a in ("mug", "plate", "bowl", "glass", "spoon", "pan")
     for b in ("counter", "table", "cabinet", "bookshelf")],
    "wash the {a} and put it on the {b}", "the {a} is dirty; clean it and set it on the {b}",
    "I want the {a} clean, on top of the {b}", "rinse the {a}, then put it on the {b}",
    "clean the {a} and leave it on the {b}",
)  # fmt: skip
def _wash(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a)
    s.state.dirty[thing] = True
    goal = f"(and (clean {thing}) {exists_piece('on', thing, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b)})


@family(
    "launder", "routine", [(a, b) for a in ("shirt", "sock", "towel")
                           for b in ("dresser", "wardrobe", "hamper")],
    "wash the {a} and put it in the {b}", "the {a} is dirty; clean it and put it into the {b}",
    "I want the {a} clean and in the {b}", "clean the {a}, then store it in the {b}",
)  # fmt: skip
def _launder(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a, avoid=(b,))
    s.state.dirty[thing] = True
    goal = f"(and (clean {thing}) {exists_piece('in', thing, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b)})


@family(
    "slice", "routine", [(a,) for a in ("apple", "orange", "tomato", "lemon", "bread", "potato")],
    "slice the {a}", "cut the {a}", "cut the {a} with the knife", "I want the {a} in slices",
    "the {a} should be cut",
)  # fmt: skip
def _slice(s: Setting, a: str) -> Asked:
    thing = s.add(a, hidden=None)
    s.add("knife", hidden=None, where=("counter", "drawer", "table"))
    return Asked(f"(sliced {thing})", {"a": spaced(a)})


@family(
    "fill", "routine", [(a, b) for a in ("glass", "bowl", "vase", "pot", "bottle")
                        for b in ("table", "counter", "desk")],
    "fill the {a} with water and put it on the {b}", "bring the {a} full of water to the {b}",
    "I want water in the {a}, on the {b}", "put the {a} on the {b}, filled with water",
)  # fmt: skip
def _fill(s: Setting, a: str, b: str) -> Asked:
    s.pieces(b)
    thing = s.add(a)
    goal = f"(and (filled_with {thing} water) {exists_piece('on', thing, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b)})


@family(
    "pour", "routine", [(a, b) for a in ("milk", "juice") for b in ("glass", "mug", "bowl")],
    "pour the {a} into the {b}", "fill the {b} with {a}", "I want {a} in the {b}",
    "give me some {a} in the {b}",
)  # fmt: skip
def _pour(s: Setting, a: str, b: str) -> Asked:
    s.add(a, hidden=None)
    vessel = s.add(b, hidden=None)
    return Asked(f"(filled_with {vessel} {a})", {"a": spaced(a), "b": spaced(b)})


@family(
    "coffee", "routine", [(a,) for a in ("table", "desk", "coffee_table", "counter", "nightstand")],
    "make a mug of coffee and put it on the {a}", "bring coffee to the {a}",
    "I want a coffee on the {a}", "fill a mug with coffee and set it on the {a}",
)  # fmt: skip
def _coffee(s: Setting, a: str) -> Asked:
    s.pieces(a)
    s.add("mug", hidden=None)
    goal = f"(exists ?m mug (and (filled_with ?m coffee) {exists_piece('on', '?m', a)}))"
    return Asked(goal, {"a": spaced(a)})


@family(
    "combine", "routine",
    [(a, b) for b, things in {
        "bowl": ("apple", "orange", "egg", "potato"), "plate": ("bread", "tomato", "steak"),
        "basket": ("car", "cube", "teddy", "book", "shirt", "apple"),
        "box": ("phone", "remote", "spoon", "ball"), "pot": ("potato", "egg", "tomato"),
    }.items() for a in things],
    "put the {a} with the {b}: it goes where the {b} is, into it or onto it",
    "put the {a} to the {b}", "the {b} is for the {a}: put it there", "lay the {a} into the {b}",
)  # fmt: skip
def _combine(s: Setting, a: str, b: str) -> Asked:
    holder = s.add(b)
    thing = s.add(a, hidden=None)
    relation = "on" if b == "plate" else "in"
    return Asked(f"({relation} {thing} {holder})", {"a": spaced(a), "b": spaced(b)})


@family(
    "two", "routine",
    [("mug", "sink", "apple", "table"), ("book", "desk", "shirt", "bed"),
     ("can", "bin", "plate", "counter"), ("car", "bed", "phone", "desk"),
     ("towel", "hamper", "glass", "table"), ("remote", "sofa", "milk", "counter"),
     ("cube", "desk", "orange", "coffee_table"), ("sock", "hamper", "book", "bed"),
     ("spoon", "sink", "bread", "counter"), ("vase", "table", "can", "bin")],
    "put the {a} in or on the {b} and the {c} on the {d}",
    "the {a} goes to the {b}, and the {c} to the {d}",
    "bring the {a} to the {b} and the {c} to the {d}", "tidy up: {a} to the {b}, {c} to the {d}",
)  # fmt: skip
def _two(s: Setting, a: str, b: str, c: str, d: str) -> Asked:
    goals = []
    for thing_kind, kind in ((a, b), (c, d)):
        relation = "in" if kind in SIMPLY_INTO else "on"
        s.pieces(kind)
        thing = s.add(thing_kind, avoid=(kind,))
        goals.append(exists_piece(relation, thing, kind))
    words = {"a": spaced(a), "b": spaced(b), "c": spaced(c), "d": spaced(d)}
    return Asked(f"(and {' '.join(goals)})", words)
