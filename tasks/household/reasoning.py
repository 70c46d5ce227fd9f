"""Reasoning families: whatever is dirty, exactly two, all that is open, if and else."""

from __future__ import annotations

from .family import Asked, family, spaced
from .objects import GROUPS, KINDS
from .routine import exists_piece
from .setting import SURFACES, Setting

PLURAL = {"knife": "knives", "dish": "dishes", "toy": "toys", "food": "food", "sock": "socks"}


def plural(kind: str) -> str:
    """A kind as it is said of several."""
    word = spaced(kind)
    return PLURAL.get(kind, word + ("es" if word.endswith(("s", "x", "sh")) else "s"))


@family(
    "whatever_dirty", "reasoning",
    [(a, b) for a in ("dish", "clothing", "cutlery")
     for b in ("counter", "table", "desk", "coffee_table")],
    "wash every dirty thing of the {a} on the {b}; leave it there or elsewhere",
    "whatever {a} on the {b} is dirty must be clean", "clean all the dirty {a} that is on the {b}",
    "make sure that no {a} on the {b} is dirty", "there may be dirty {a} on the {b}: wash it",
)  # fmt: skip
def _whatever_dirty(s: Setting, a: str, b: str) -> Asked:
    piece = s.piece(b)
    kinds = [k for k in GROUPS[a] if KINDS[k].radius < 0.095 and k not in s.banned]
    count = int(s.rng.integers(2, 5)) if a == "dish" else 2
    added = []
    for index in s.rng.permutation(len(kinds))[:count]:
        added.append(s.add(kinds[int(index)], where=(piece,)))
    number = int(s.rng.integers(1, len(added) + 1))
    for thing in added[:number]:
        s.state.dirty[thing] = True
    goal = " ".join(f"(clean {t})" for t in added)
    sink = s.pieces("sink")[0]
    program = (
        f'go_to("{sink}")\n'
        f'if check("{sink}", "off"):\n'
        f'    turn_on("{sink}")\n'
        f'go_to("{piece}")\n'
        f'for thing in look("{piece}"):\n'
        f'    if check(thing, "{a}"):\n'
        '        if check(thing, "dirty"):\n'
        f'            go_to("{piece}")\n'
        "            pick(thing)\n"
        f'            go_to("{sink}")\n'
        "            wash(thing)\n"
        f'            go_to("{piece}")\n'
        f'            place_on("{piece}")\n'
        f'go_to("{sink}")\n'
        f'turn_off("{sink}")\n'
        "done()\n"
    )
    spoken = {"dish": "crockery", "clothing": "laundry", "cutlery": "cutlery"}[a]
    words = {"a": spoken, "b": spaced(piece if len(s.home.of_kind(b)) > 1 else b)}
    return Asked(f"(and {goal})", words, program=program)


@family(
    "gather", "reasoning",
    [(a, b) for a in ("toy", "food", "dish") for b in ("basket", "table", "sofa", "bed")
     if (a, b) != ("dish", "basket")],
    "put every {a} that is in the living room on or in the {b}",
    "gather each {a} of the living room at the {b}",
    "all of the kind {a} that lies in the living room belongs to the {b}",
    "collect every {a} in the living room and bring it to the {b}",
)  # fmt: skip
def _gather(s: Setting, a: str, b: str) -> Asked:
    here = tuple(
        p.name for p in s.home.pieces
        if p.room == "living_room" and p.kind.name in SURFACES and p.kind.name != b
    )  # fmt: skip
    limit = 0.06 if b == "basket" else 0.08
    kinds = [k for k in GROUPS[a] if KINDS[k].radius < limit and k not in s.banned]
    added = [
        s.add(kinds[int(i)], where=here)
        for i in s.rng.permutation(len(kinds))[: int(s.rng.integers(2, 4))]
    ]
    if b == "basket":
        holder = s.add("basket", where=("table", "bed", "counter", "desk"))
        goals = [f"(in {t} {holder})" for t in added]
        put, go = f'place_in("{holder}")', s.state.place[holder][1]
    else:
        go = s.pieces(b)[0]
        goals = [exists_piece("on", t, b) for t in added]
        put = f'place_on("{go}")'
    program = (
        f"for place in {[*here]!r}:\n"
        "    go_to(place)\n"
        "    for thing in look(place):\n"
        "        go_to(place)\n"
        f'        if check(thing, "{a}"):\n'
        "            pick(thing)\n"
        f'            go_to("{go}")\n'
        f"            {put}\n"
        "done()\n"
    )
    words = {"a": {"toy": "toy", "food": "food item", "dish": "dish"}[a], "b": spaced(b)}
    s.unwanted.update(GROUPS[a])
    return Asked(f"(and {' '.join(goals)})", words, program=program)


@family(
    "exactly", "reasoning",
    [(n, a, b) for n in ("two", "one") for a in ("apple", "mug", "plate", "egg", "orange")
     for b in ("fridge", "table", "counter") if not (a in ("mug", "plate") and b == "fridge")],
    "there should be exactly {n} {a} at the {b}, no more and no less",
    "make it {n} {a} at the {b}", "I want {n} {a} at the {b}; bring or take away",
    "see that the number of {a} at the {b} is {n}",
)  # fmt: skip
def _exactly(s: Setting, n: str, a: str, b: str) -> Asked:
    pieces = s.pieces(b)
    total, number = KINDS[a].pool, {"one": 1, "two": 2}[n]
    already = int(s.rng.choice([k for k in range(total + 1) if k != number]))
    relation = "in" if b == "fridge" else "on"
    for i in range(total):
        if i < already:
            s.add(a, where=(pieces[0],), hidden=relation == "in")
        else:
            s.add(a, avoid=(b,))
    inside = f"({relation} ?x ?f)"
    goal = f"(count = {number} ?x {a} (exists ?f {b} {inside}))"
    return Asked(goal, {"n": n, "a": plural(a) if number > 1 else spaced(a), "b": spaced(b)})


@family(
    "how_many", "reasoning",
    [(a, b) for a in ("apple", "mug", "plate", "book", "egg", "cube") for b in
     ("kitchen", "living_room", "bedroom", "study")],
    "how many {a} are in sight in the {b}?", "count the {a} in the {b} that you can see",
    "tell me the number of {a} lying about in the {b}",
    "I wonder how many {a} there are in the {b}, not counting what is shut away",
)  # fmt: skip
def _how_many(s: Setting, a: str, b: str) -> Asked:
    here = tuple(p.name for p in s.home.pieces if p.room == b and p.kind.name in SURFACES)
    elsewhere = tuple(p.name for p in s.home.pieces if p.room != b and p.kind.name in SURFACES)
    number = int(s.rng.integers(0, KINDS[a].pool + 1))
    for i in range(KINDS[a].pool):
        s.add(a, where=here if i < number else elsewhere)
    program = (
        f'go_to("{b}")\n'
        "count = 0\n"
        "for thing in look():\n"
        f'    if check(thing, "{a}"):\n'
        "        count = count + 1\n"
        "done(count)\n"
    )
    words = {"a": plural(a), "b": spaced(b)}
    return Asked(f"(answered {number})", words, program=program)


@family(
    "if_dirty", "reasoning",
    [(a, b) for a in ("mug", "plate", "bowl", "glass") for b in ("table", "desk", "coffee_table")],
    "if the {a} is dirty put it in the sink, else put it on the {b}",
    "a dirty {a} belongs in the sink, a clean one on the {b}",
    "look whether the {a} is clean: then put it on the {b}, otherwise in the sink",
    "put the {a} on the {b}, but if it is dirty in the sink",
)  # fmt: skip
def _if_dirty(s: Setting, a: str, b: str) -> Asked:
    target, sink = s.pieces(b)[0], s.pieces("sink")[0]
    thing = s.add(a, avoid=(b, "sink"))
    dirty = bool(s.rng.random() < 0.5)
    s.state.dirty[thing] = dirty
    goal = exists_piece("in", thing, "sink") if dirty else exists_piece("on", thing, b)
    program = (
        f'go_to("{s.state.root(thing)}")\n'
        f'dirty = check("{a}", "dirty")\n'
        f'pick("{a}")\n'
        "if dirty:\n"
        f'    go_to("{sink}")\n'
        f'    place_in("{sink}")\n'
        "else:\n"
        f'    go_to("{target}")\n'
        f'    place_on("{target}")\n'
        "done()\n"
    )
    return Asked(goal, {"a": spaced(a), "b": spaced(b)}, program=program)


@family(
    "save_energy", "reasoning",
    [("switch", "all"), ("close", "all"), ("switch", "living_room"), ("switch", "kitchen"),
     ("close", "kitchen"), ("close", "bedroom")],
    "{what}", "please see to it: {what}", "before we leave: {what}", "check the home: {what}",
)  # fmt: skip
def _save_energy(s: Setting, how: str, where: str) -> Asked:
    flag, verb = ("switch", "turn off") if how == "switch" else ("open", "close")
    pieces = [
        p for p in s.home.pieces
        if (p.kind.switch if how == "switch" else p.kind.openable)
        and where in ("all", p.room)
    ]  # fmt: skip
    table = s.state.running if how == "switch" else s.state.opened
    for index in s.rng.permutation(len(pieces))[: int(s.rng.integers(1, 4))]:
        table[pieces[int(index)].name] = True
    s.touched.update(p.name for p in pieces)
    off = "switched_off" if how == "switch" else "closed"
    goal = f"(and {' '.join(f'({off} {p.name})' for p in pieces)})"
    state, act = ("on", "turn_off") if how == "switch" else ("open", "close")
    program = (
        f"for place in {[p.name for p in pieces]!r}:\n"
        "    go_to(place)\n"
        f'    if check(place, "{state}"):\n'
        f"        {act}(place)\n"
        "done()\n"
    )
    room = "the home" if where == "all" else f"the {spaced(where)}"
    what = (
        f"turn off every appliance in {room}" if flag == "switch"
        else f"{verb} every door and drawer of the furniture in {room}"
    )  # fmt: skip
    return Asked(goal, {"what": what}, program=program)


@family(
    "either", "reasoning",
    [("apple", "orange", "plate"), ("milk", "juice", "table"), ("car", "teddy", "bed"),
     ("mug", "glass", "desk"), ("book", "cube", "sofa"), ("tomato", "lemon", "counter"),
     ("shirt", "towel", "bed"), ("phone", "remote", "desk")],
    "put the {a} or the {b} on the {c}, but not both",
    "either the {a} or the {b} belongs on the {c}, one of them",
    "choose between {a} and {b}: one, and only one, on the {c}",
)  # fmt: skip
def _either(s: Setting, a: str, b: str, c: str) -> Asked:
    one, other = s.add(a, avoid=(c,)), s.add(b, avoid=(c,))
    if c == "plate":
        plate = s.add("plate", where=("counter", "table"))
        x, y = f"(on {one} {plate})", f"(on {other} {plate})"
    else:
        s.pieces(c)
        x, y = exists_piece("on", one, c), exists_piece("on", other, c)
    goal = f"(or (and {x} (not {y})) (and {y} (not {x})))"
    return Asked(goal, {"a": spaced(a), "b": spaced(b), "c": spaced(c)})


@family(
    "swap", "reasoning",
    [("mug", "table", "book", "desk"), ("apple", "counter", "car", "bed"),
     ("can", "desk", "cube", "table"), ("remote", "sofa", "phone", "bed"),
     ("vase", "table", "bread", "counter")],
    "the {a} is on the {b} and the {c} on the {d}: swap them",
    "exchange the {a} on the {b} with the {c} on the {d}",
    "let the {a} of the {b} and the {c} of the {d} change places",
)  # fmt: skip
def _swap(s: Setting, a: str, b: str, c: str, d: str) -> Asked:
    s.pieces(b)
    s.pieces(d)
    one, other = s.add(a, where=(b,)), s.add(c, where=(d,))
    goal = f"(and {exists_piece('on', one, d)} {exists_piece('on', other, b)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b), "c": spaced(c), "d": spaced(d)})


@family(
    "breakfast", "reasoning",
    [(a, b, c) for a in ("apple", "bread", "tomato", "orange") for b in ("coffee", "milk", "juice")
     for c in ("table", "coffee_table")],
    "breakfast: a sliced {a}, and a mug of {b} on the {c}",
    "I would like {b} in a mug on the {c}, and the {a} in slices",
    "slice the {a} and serve {b} in the mug on the {c}",
)  # fmt: skip
def _breakfast(s: Setting, a: str, b: str, c: str) -> Asked:
    s.pieces(c)
    food, mug = s.add(a, hidden=None), s.add("mug")
    s.add("knife", hidden=None, where=("counter", "drawer"))
    if b != "coffee":
        s.add(b, hidden=None)
    goal = f"(and (sliced {food}) (filled_with {mug} {b}) {exists_piece('on', mug, c)})"
    return Asked(goal, {"a": spaced(a), "b": spaced(b), "c": spaced(c)})
