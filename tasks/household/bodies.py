"""Bodies of furniture: carcasses, leaves on hinges, drawers, lights that show what is on.

Geoms and joints are named PIECE_part; the moving part of a piece is PIECE_door0 or PIECE_drawer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from robots.shapes import between
from robots.spec import BodySpec, GeomSpec, JointSpec, Vec3

from .furniture import BOARD, LEAF, FurnitureKind, leaves
from .home import Piece

Rgba = tuple[float, float, float, float]
OFF: Rgba = (0.16, 0.05, 0.05, 1.0)
ON: Rgba = (0.20, 1.00, 0.25, 1.0)
LOCKED: Rgba = (0.90, 0.10, 0.10, 1.0)
UNLOCKED: Rgba = (0.15, 0.80, 0.20, 1.0)
DARK: Rgba = (0.10, 0.10, 0.11, 1.0)
HANDLE: Rgba = (0.15, 0.15, 0.16, 1.0)
BAR, GRIP, EDGE = 0.010, 0.045, 0.030
"""Radius of the bars that doors are pulled by, their distance from the door and from its edge [m]:
as the fingers keep their direction while the door turns, they just miss it on either side."""
SWUNG = math.pi / 2
"""Angle of open doors [rad]."""


@dataclass(frozen=True)
class Signal:
    """A geom whose colour tells a state of its piece."""

    geom: str
    state: str
    """`on` or `locked`."""
    yes: Rgba
    no: Rgba


def opened_at(kind: FurnitureKind) -> float:
    """Joint position of an open piece [rad] or [m]; 0 is closed."""
    return LEAF - 0.02 if kind.opening == "drawer" else SWUNG


def joint_names(piece: Piece) -> tuple[str, ...]:
    """Joints that open a piece; all move together."""
    if piece.kind.opening == "doors":
        return tuple(f"{piece.name}_hinge{i}" for i in range(len(leaves(piece.kind))))
    return (f"{piece.name}_joint",) if piece.kind.openable else ()


def moving_body(piece: Piece) -> str:
    """Body that carries what is in a drawer; the piece itself for everything else."""
    return f"{piece.name}_drawer" if piece.kind.opening == "drawer" else piece.name


def furniture_bodies(piece: Piece) -> tuple[BodySpec, ...]:
    """The piece and its moving parts, parents first."""
    half_turn = piece.yaw / 2
    fixed = BodySpec(
        piece.name,
        position=(piece.x, piece.y, 0.0),
        quat_wxyz=(math.cos(half_turn), 0.0, 0.0, math.sin(half_turn)),
        geoms=tuple(_fixed_geoms(piece)),
    )
    return (fixed, *_moving(piece))


def signals(piece: Piece) -> tuple[Signal, ...]:
    """What shows whether a piece is on, or locked."""
    kind, name = piece.kind, piece.name
    found = []
    if kind.switch:
        found.append(Signal(f"{name}_light", "on", ON, OFF))
    special: dict[str, tuple[str, Rgba, Rgba]] = {
        "stove": ("burner", (1.0, 0.25, 0.05, 1.0), (0.35, 0.35, 0.37, 1.0)),
        "tv": ("screen", (0.35, 0.75, 1.00, 1.0), (0.05, 0.05, 0.06, 1.0)),
        "lamp": ("shade", (1.00, 0.92, 0.45, 1.0), (0.55, 0.52, 0.46, 1.0)),
        "fan": ("blades", (0.30, 0.90, 1.00, 1.0), (0.60, 0.62, 0.64, 1.0)),
    }
    if kind.name in special:
        part, on, off = special[kind.name]
        found.append(Signal(f"{name}_{part}", "on", on, off))
        if kind.name == "stove":
            found.append(Signal(f"{name}_burner_b", "on", on, off))
    if kind.effect == "water":
        found.append(Signal(f"{name}_stream", "on", (0.45, 0.75, 1.0, 0.8), (0.0, 0.0, 0.0, 0.0)))
    if kind.lockable:
        found.append(Signal(f"{name}_lock", "locked", LOCKED, UNLOCKED))
    return tuple(found)


def _box(name: str, low: Vec3, high: Vec3, rgb: tuple, **options: object) -> GeomSpec:
    size = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
    middle = tuple((b + a) / 2 for a, b in zip(low, high, strict=True))
    return GeomSpec(name, "box", size, middle, rgba=(*rgb[:3], 1.0), **options)  # type: ignore[arg-type]


def _bar(name: str, at: Vec3, half: float, axis: str = "z") -> GeomSpec:
    """A round bar to pull by; its posts are left out."""
    turn = (1.0, 0.0, 0.0, 0.0) if axis == "z" else (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)
    return GeomSpec(name, "cylinder", (BAR, half), at, turn, rgba=HANDLE)


def _shade(rgb: tuple, factor: float) -> tuple[float, float, float]:
    r, g, b = (min(1.0, v * factor) for v in rgb[:3])
    return (r, g, b)


def _fixed_geoms(piece: Piece) -> list[GeomSpec]:
    kind, name = piece.kind, piece.name
    x, y, h = kind.size[0] / 2, kind.size[1] / 2, kind.size[2]
    rgb, dark = kind.rgb, _shade(kind.rgb, 0.6)
    parts: list[GeomSpec] = []

    def add(part: str, low: Vec3, high: Vec3, color: tuple = rgb, **options: object) -> None:
        parts.append(_box(f"{name}_{part}", low, high, color, **options))

    if kind.look == "case":
        assert kind.cavity is not None
        floor, ceiling = kind.cavity
        add("low", (-x, -y, 0), (x, y, floor))
        add("high", (-x, -y, ceiling), (x, y, h))
        add("left", (-x, -y, floor), (-x + BOARD, y, ceiling))
        add("right", (x - BOARD, -y, floor), (x, y, ceiling))
        add("back", (-x + BOARD, y - BOARD, floor), (x - BOARD, y, ceiling), dark)
        if len(leaves(kind)) == 1:
            edge = leaves(kind)[0][1]
            add("panel", (edge, -y - BOARD, floor), (x, -y, ceiling), dark)
    elif kind.look == "block":
        assert kind.surface is not None
        add("body", (-x, -y, 0), (x, y, kind.surface - 0.03))
        add("top", (-x, -y, kind.surface - 0.03), (x, y, kind.surface), _shade(rgb, 0.75))
        if kind.effect == "brew":
            add("machine", (-0.14, 0.05, kind.surface), (0.14, y, h), DARK)
            add("spout", (-0.10, -0.06, h - 0.08), (0.10, 0.05, h), DARK)
        if kind.name == "stove":
            for i, at in enumerate((-0.14, 0.14)):
                burner = "burner" if i == 0 else "burner_b"
                parts.append(GeomSpec(
                    f"{name}_{burner}", "cylinder", (0.11, 0.002), (at, -0.08, kind.surface),
                    rgba=(0.35, 0.35, 0.37, 1.0), collides=False,
                ))  # fmt: skip
    elif kind.look == "table":
        top = kind.surface or h
        add("top", (-x, -y, top - 0.04), (x, y, top))
        for i, (sx, sy) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
            px, py = sx * (x - 0.05), sy * (y - 0.05)
            add(f"leg{i}", (px - 0.03, py - 0.03, 0), (px + 0.03, py + 0.03, top - 0.04), dark)
    elif kind.look in ("seat", "bed"):
        top = kind.surface or h
        add("base", (-x, -y, 0.06), (x, y, top - 0.14), dark)
        add("cushion", (-x, -y, top - 0.14), (x, y, top))
        if kind.look == "seat":
            add("backrest", (-x, y - 0.16, top), (x, y, h), _shade(rgb, 0.85))
            for side, sx in (("a", -1), ("b", 1)):
                edge = sx * x
                add(f"arm_{side}", (min(edge, edge - sx * 0.12), -y, top),
                    (max(edge, edge - sx * 0.12), y, top + 0.14), _shade(rgb, 0.85))  # fmt: skip
        else:
            add("pillow", (-x + 0.06, 0.0, top), (-x + 0.40, y - 0.06, top + 0.09), (0.97, 0.97, 1))
            add("blanket", (-0.3, -y - 0.005, top - 0.15), (x, y, top + 0.004), (0.45, 0.55, 0.75),
                collides=False)  # fmt: skip
    elif kind.look in ("basin", "tub"):
        assert kind.cavity is not None
        floor, rim, wall = kind.cavity[0], kind.cavity[1], 0.035
        add("low", (-x, -y, 0), (x, y, floor), rgb)
        add("left", (-x, -y, floor), (-x + wall, y, rim), _shade(rgb, 0.9))
        add("right", (x - wall, -y, floor), (x, y, rim), _shade(rgb, 0.9))
        add("front", (-x, -y, floor), (x, -y + wall, rim), _shade(rgb, 0.9))
        back = 0.11 if kind.look == "basin" else wall
        add("back", (-x, y - back, floor), (x, y, rim), _shade(rgb, 0.9))
        if kind.look == "basin":
            steel = (0.55, 0.57, 0.60)
            low, high = (-x + wall, -y + wall, floor - 0.001), (x - wall, y - back, floor + 0.002)
            add("bottom", low, high, (0.70, 0.74, 0.78))
            add("tap", (-0.015, y - 0.08, rim), (0.015, y - 0.05, rim + 0.22), steel)
            add("spout", (-0.015, 0.02, rim + 0.20), (0.015, y - 0.05, rim + 0.23), steel)
            parts.append(between(
                "cylinder", f"{name}_stream", (0, 0.035, floor), (0, 0.035, rim + 0.20), 0.02,
                rgba=(0.0, 0.0, 0.0, 0.0), collides=False,
            ))  # fmt: skip
    elif kind.look == "shelf":
        levels = (0.06, 0.44, kind.surface or 0.8, 1.16, h)
        for side, sx in (("left", -1), ("right", 1)):
            add(side, (min(sx * x, sx * (x - BOARD)), -y, 0), (max(sx * x, sx * (x - BOARD)), y, h))
        add("back", (-x, y - 0.01, 0), (x, y, h), dark)
        for i, z in enumerate(levels):
            add(f"board{i}", (-x, -y, z - BOARD), (x, y, z))
        for i, (z, color) in enumerate(((0.06, (0.6, 0.2, 0.2)), (1.16, (0.2, 0.4, 0.6)))):
            add(f"books{i}", (-x + 0.05, 0.0, z), (x - 0.15, y - 0.02, z + 0.22), color)
    elif kind.look == "tv":
        top = kind.surface or 0.5
        add("stand", (-x, -y, 0), (x, y, top))
        add("frame", (-0.52, 0.10, top + 0.02), (0.52, 0.15, h), DARK)
        add("foot", (-0.15, 0.06, top), (0.15, 0.18, top + 0.02), DARK)
        add("screen", (-0.49, 0.097, top + 0.05), (0.49, 0.10, h - 0.03), DARK, collides=False)
    elif kind.look == "lamp":
        parts += [
            GeomSpec(f"{name}_foot", "cylinder", (0.16, 0.015), (0, 0, 0.015), rgba=(*rgb, 1.0)),
            GeomSpec(f"{name}_pole", "cylinder", (0.02, 0.62), (0, 0, 0.65), rgba=(*rgb, 1.0)),
            GeomSpec(f"{name}_shade", "cylinder", (0.16, 0.13), (0, 0, 1.36)),
        ]
    elif kind.look == "fan":
        parts += [
            GeomSpec(f"{name}_foot", "cylinder", (0.18, 0.02), (0, 0, 0.02), rgba=(*rgb, 1.0)),
            GeomSpec(f"{name}_pole", "cylinder", (0.02, 0.42), (0, 0, 0.45), rgba=(*rgb, 1.0)),
            between("cylinder", f"{name}_blades", (0, -0.03, 1.0), (0, 0.03, 1.0), 0.19),
        ]
    parts += _switch_and_lock(piece)
    return parts


def _switch_at(kind: FurnitureKind) -> Vec3:
    x, y, h = kind.size[0] / 2, kind.size[1] / 2, kind.size[2]
    at: Vec3 = (x - 0.10, -y - BOARD - 0.01, h - 0.07)
    if kind.name == "microwave":
        at = (x - 0.10, -y - BOARD - 0.01, 1.0)
    elif kind.look in ("lamp", "fan"):
        at = (0.0, -0.03, 0.80)
    elif kind.look == "tv":
        at = (x - 0.10, -y - 0.01, (kind.surface or h) - 0.07)
    elif kind.effect == "brew":
        at = (0.10, 0.035, h - 0.14)
    elif kind.look == "basin":
        at = (x - 0.10, -y - 0.01, h - 0.05)
    return at


def _lock_at(kind: FurnitureKind) -> Vec3:
    x, y, h = kind.size[0] / 2, kind.size[1] / 2, kind.size[2]
    return (x - 0.06, -y - BOARD - 0.01, h - 0.10)


def switch_place(kind: FurnitureKind) -> Vec3:
    """Front of the switch, or of the lock, of a kind of piece, in its frame [m]."""
    x, y, z = _switch_at(kind) if kind.switch else _lock_at(kind)
    return (x, y - 0.012, z)


def _switch_and_lock(piece: Piece) -> list[GeomSpec]:
    kind, name = piece.kind, piece.name
    parts = []
    if kind.switch:
        parts.append(GeomSpec(
            f"{name}_light", "box", (0.045, 0.012, 0.035), _switch_at(kind), rgba=OFF,
            collides=False,
        ))  # fmt: skip
    if kind.lockable:
        parts.append(GeomSpec(
            f"{name}_lock", "box", (0.04, 0.012, 0.04), _lock_at(kind), rgba=UNLOCKED,
            collides=False,
        ))  # fmt: skip
    return parts


def _moving(piece: Piece) -> list[BodySpec]:
    kind, name = piece.kind, piece.name
    if not kind.openable:
        return []
    assert kind.cavity is not None
    x, y, h = kind.size[0] / 2, kind.size[1] / 2, kind.size[2]
    floor, ceiling = kind.cavity
    front, rgb = -y - BOARD / 2, _shade(kind.rgb, 1.12)
    if kind.opening == "drawer":
        slide = JointSpec(
            joint_names(piece)[0], "slide", axis=(0.0, -1.0, 0.0), range=(0.0, LEAF - 0.02),
            damping=15.0, friction_loss=3.0,
        )  # fmt: skip
        bx, by = x - BOARD - 0.01, y - BOARD
        part = f"{name}_drawer"
        geoms = (
            _box(f"{part}_front", (-x, front - BOARD / 2, floor), (x, -y, ceiling), rgb),
            _box(f"{part}_floor", (-bx, -y, floor + 0.002), (bx, by, floor + 0.008),
                 _shade(rgb, 0.7)),
            _box(f"{part}_left", (-bx, -y, floor), (-bx + 0.01, by, floor + 0.08), rgb),
            _box(f"{part}_right", (bx - 0.01, -y, floor), (bx, by, floor + 0.08), rgb),
            _bar(f"{part}_handle", (0.0, front - BOARD / 2 - GRIP, (floor + ceiling) / 2), 0.04),
        )  # fmt: skip
        return [BodySpec(part, name, joint=slide, geoms=geoms, mass=2.0)]
    if kind.opening == "drop":
        hinge = JointSpec(
            joint_names(piece)[0], "hinge", axis=(1.0, 0.0, 0.0), range=(0.0, SWUNG), damping=1.5,
            friction_loss=0.6, holds=True,
        )  # fmt: skip
        high = min(ceiling - floor, LEAF)
        geoms = (
            _box(f"{name}_door_leaf", (-x, -BOARD / 2, 0), (x, BOARD / 2, high), rgb),
            _box(f"{name}_door_window", (-x + 0.1, -BOARD / 2 - 0.002, 0.06),
                 (x - 0.1, -BOARD / 2, high - 0.08), _shade(kind.rgb, 0.4), collides=False),
            _bar(f"{name}_door_handle", (0.0, -BOARD / 2 - GRIP, high - EDGE), 0.10, axis="x"),
        )  # fmt: skip
        return [BodySpec(f"{name}_door", name, (0.0, front, floor), joint=hinge, geoms=geoms,
                         mass=3.0)]  # fmt: skip
    single = len(leaves(kind)) == 1
    low, high = (floor, ceiling) if single else (0.06, h - 0.03)
    bodies = []
    for i, (hinge_x, edge) in enumerate(leaves(kind)):
        sign = 1.0 if edge > hinge_x else -1.0
        joint = JointSpec(
            joint_names(piece)[i], "hinge", axis=(0.0, 0.0, -sign), range=(0.0, SWUNG),
            damping=1.5, friction_loss=0.6,
        )  # fmt: skip
        width = abs(edge - hinge_x)
        a, b = sorted((0.0, sign * width))
        grip = sign * (width - EDGE)
        middle = (low + high) / 2
        part = f"{name}_door{i}"
        geoms = (
            _box(f"{part}_leaf", (a, -BOARD / 2, low), (b, BOARD / 2, high), rgb),
            _bar(f"{part}_handle", (grip, -BOARD / 2 - GRIP, middle), 0.08),
        )  # fmt: skip
        bodies.append(
            BodySpec(part, name, (hinge_x, front, 0.0), joint=joint, geoms=geoms, mass=3.0)
        )
    return bodies
