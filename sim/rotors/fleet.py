"""Fleet: the rotorcraft of a scene in order, with their names, numbers and places."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import ConfigError

from ..scene import RobotPlacement, Scene
from .config import COMPAT_GRAVITY, AeroConfig
from .obstacles import anchors
from .parameters import RotorParameters, parameters


@dataclass(frozen=True)
class Fleet:
    """A drones; control is every drone's rotor speeds, one after the other."""

    aero: AeroConfig
    bodies: tuple[str, ...]
    """(A,) names of the bodies that carry rotors, with the robots' prefixes."""
    control_names: tuple[str, ...]
    """(U,) prefix + rotor name."""
    slots: NDArray[np.int64] | None
    """(U,) where each control goes in (A * M); None when every drone has M rotors."""
    num_rotors: int
    """M, of the drone with most."""
    home: NDArray[np.float64]
    """(A, 7) initial poses."""
    parameters: RotorParameters
    """Nominal, one world."""

    @property
    def num_drones(self) -> int:
        """A."""
        return len(self.bodies)


def fleet(scene: Scene) -> Fleet | None:
    """The rotorcraft of `scene`; None when it has none.

    Raises:
        ConfigError: two of them overlap, a body is missing or has no mass, or the compat set is
            asked for under another gravity.
    """
    placements = [p for p in scene.robots if p.spec.rotorcraft is not None]
    if not placements:
        return None
    held = anchors(scene)
    aero = scene.aero or AeroConfig()
    if aero.compat and tuple(scene.gravity) != COMPAT_GRAVITY:
        raise ConfigError(
            f"scene {scene.name!r}: aero compat {aero.compat} reproduces gravity "
            f"{COMPAT_GRAVITY}, the scene has {tuple(scene.gravity)}; set "
            "Scene(gravity=sim.rotors.COMPAT_GRAVITY)"
        )
    bodies, names, drones, home, slots = [], [], [], [], []
    num_rotors = max(len(p.spec.rotorcraft.rotors) for p in placements if p.spec.rotorcraft)
    for i, placement in enumerate(placements):
        spec = placement.spec.rotorcraft
        assert spec is not None
        body = next((b for b in placement.spec.bodies if b.name == spec.body), None)
        if body is None or body.mass is None or body.inertia is None:
            raise ConfigError(
                f"robot {placement.spec.name!r}: rotorcraft needs a body {spec.body!r} with mass "
                "and inertia"
            )
        if body.joint is None or body.joint.kind != "free" or any(body.center_of_mass):
            raise ConfigError(
                f"robot {placement.spec.name!r}: body {spec.body!r} must have a free joint and its "
                f"centre of mass at its origin, not {body.center_of_mass}"
            )
        bodies.append(placement.prefix + spec.body)
        names += [placement.prefix + rotor.name for rotor in spec.rotors]
        slots += [i * num_rotors + j for j in range(len(spec.rotors))]
        drones.append((spec, body.mass, body.inertia))
        home.append(held[bodies[-1]].home)
    check_spawn(placements)
    return Fleet(
        aero=aero,
        bodies=tuple(bodies),
        control_names=tuple(names),
        slots=None if len(slots) == num_rotors * len(bodies) else np.array(slots),
        num_rotors=num_rotors,
        home=np.array(home, float),
        parameters=parameters(drones, aero),
    )


def check_spawn(placements: list[RobotPlacement]) -> None:
    """Raise ConfigError when the collision cylinders of two rotorcraft overlap where they start."""
    for i, a in enumerate(placements):
        for b in placements[:i]:
            p, q = a.spec.rotorcraft, b.spec.rotorcraft
            assert p is not None
            assert q is not None
            apart = math.dist(a.position[:2], b.position[:2])
            above = abs(a.position[2] - b.position[2])
            if (
                apart < p.collision_radius + q.collision_radius
                and above < (p.collision_height + q.collision_height) / 2
            ):
                raise ConfigError(
                    f"rotorcraft {b.prefix + q.body!r} and {a.prefix + p.body!r} overlap where "
                    f"they start: {apart:.3f} m apart and {above:.3f} m above each other; they "
                    f"need {p.collision_radius + q.collision_radius:.3f} m or "
                    f"{(p.collision_height + q.collision_height) / 2:.3f} m"
                )
