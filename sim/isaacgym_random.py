"""`task.randomization_params` of IsaacGymEnvs as our randomisation: `sim.randomize` and noise.

Its shape (IsaacGymEnvs, `docs/domain_randomization.md`):

    observations: {range: [mean, deviation], operation: additive, distribution: gaussian}
    actions:      {range: [0., 0.02], operation: additive, distribution: gaussian}
    sim_params:   {gravity: {range, operation, distribution}}
    actor_params:
      ACTOR: {color: true, dof_properties: {damping, stiffness, friction},
              rigid_body_properties: {mass}, rigid_shape_properties: {friction}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octoworld.core.errors import ConfigError

from .randomize import Spread

DISTRIBUTIONS = ("uniform", "loguniform", "gaussian")
OF_OBJECTS = {
    ("rigid_body_properties", "mass"): "mass",
    ("rigid_shape_properties", "friction"): "friction",
    ("dof_properties", "damping"): "damping",
}
OF_ROBOTS = {
    ("dof_properties", "damping"): "joints.damping",
    ("dof_properties", "friction"): "joints.friction",
    ("dof_properties", "stiffness"): "servos.gain",
}
OF_DRONES = {("rigid_body_properties", "mass"): "mass_scale"}
COLOR = Spread(0.5, 1.2)
"""What `color: true` means here: surfaces between half and 1.2 times as bright."""


@dataclass
class Randomization:
    """What a cfg asks for, in our words."""

    spreads: dict[str, Spread] = field(default_factory=dict)
    """For the task's option `randomize`."""
    noise: list[str] = field(default_factory=list)
    """For `make_vec`'s `stochastic`."""
    ramp_steps: int = 0
    """Control steps over which the spreads grow (`schedule: linear`); 0: none."""

    @property
    def stochastic(self) -> str:
        """The noise as one line."""
        return "+".join(self.noise)


def translate(
    params: Mapping[str, Any], parameters: Sequence[str], robots: Sequence[str], flying: bool
) -> Randomization:
    """Our randomisation from Isaac Gym's.

    Scales (`operation: scaling`) become spreads of our shares; an actor's name is the object's,
    or a robot's (its registered name or, among several, its prefix). A `gaussian` range is mean
    and deviation, cut off at two deviations; `frequency` is passed over, since ours are drawn at
    every reset.

    Args:
        params: `task.randomization_params`.
        parameters: what the task's worlds take (`world.parameters`).
        robots: names by which the cfg may call the robot.
        flying: the robot is a drone.

    Raises:
        ConfigError: something has no meaning here; the message names it and what has.
    """
    out = Randomization()
    for name, part in params.items():
        if name == "frequency":
            continue
        if name in ("observations", "actions"):
            out.noise.append(_noise(name, part))
        elif name == "sim_params":
            for what, given in _items(part, name):
                if what != "gravity":
                    raise ConfigError(
                        f"randomization_params sim_params.{what}: only gravity is ours"
                    )
                out.spreads["gravity"] = _shares(out, f"sim_params.{what}", given)
        elif name == "actor_params":
            for actor, properties in _items(part, name):
                _actor(out, actor, properties, robots, flying)
        else:
            raise ConfigError(
                f"randomization_params {name!r}: expected observations, actions, sim_params, "
                "actor_params or frequency"
            )
    for name in out.spreads:
        if name not in parameters:
            raise ConfigError(
                f"randomization_params ask for {name}, which the task has not; it has "
                f"{', '.join(parameters)}"
            )
    return out


def _actor(
    out: Randomization,
    actor: str,
    properties: Mapping[str, Any],
    robots: Sequence[str],
    flying: bool,
) -> None:
    is_robot = actor in robots
    known = (OF_DRONES if flying else OF_ROBOTS) if is_robot else OF_OBJECTS
    for group, given in _items(properties, actor):
        place = f"actor_params.{actor}.{group}"
        if group == "color":
            if given:
                out.spreads["robot.brightness" if is_robot else f"{actor}.brightness"] = COLOR
            continue
        for what, spread in _items(given, place):
            if (group, what) not in known:
                choices = ", ".join(".".join(pair) for pair in known)
                raise ConfigError(
                    f"randomization_params {place}.{what}: not ours; for this actor: color, "
                    f"{choices}"
                )
            word = known[group, what]
            name = word if is_robot else f"{actor}.{word}"
            out.spreads[name] = _shares(out, f"{place}.{what}", spread)


def _noise(name: str, part: Mapping[str, Any]) -> str:
    operation, distribution, (a, b) = _read(name, part)
    if operation != "additive" or distribution != "gaussian":
        raise ConfigError(
            f"randomization_params {name}: expected operation additive, distribution gaussian; "
            f"got {operation}, {distribution}"
        )
    if part.get("schedule", "constant") != "constant":
        raise ConfigError(f"randomization_params {name}: noise has schedule constant only")
    if a != 0:
        raise ConfigError(f"randomization_params {name}: expected a mean of 0, got {a:g}")
    kept = part.get("range_correlated")
    bias = "" if kept is None else f",bias={float(kept[1]):g}"
    kind = "observation" if name == "observations" else "action"
    return f"noise:{kind},std={b:g}{bias}"


def _shares(out: Randomization, place: str, part: Mapping[str, Any]) -> Spread:
    operation, distribution, (a, b) = _read(place, part)
    if part.get("schedule", "constant") == "linear":
        out.ramp_steps = max(out.ramp_steps, int(part.get("schedule_steps", 0)))
    if operation != "scaling":
        raise ConfigError(
            f"randomization_params {place}: operation {operation!r}; ours are shares of the "
            "scene's own values: scaling"
        )
    if distribution == "gaussian":
        return Spread(a - 2 * b, a + 2 * b, normal=True)
    return Spread(a, b, log=distribution == "loguniform")


def _read(place: str, part: Mapping[str, Any]) -> tuple[str, str, tuple[float, float]]:
    given = dict(_items(part, place))
    operation = given.get("operation", "scaling")
    distribution = given.get("distribution", "uniform")
    if distribution not in DISTRIBUTIONS:
        raise ConfigError(
            f"randomization_params {place}: distribution {distribution!r}; expected one of "
            f"{', '.join(DISTRIBUTIONS)}"
        )
    try:
        a, b = (float(x) for x in given["range"])
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f"randomization_params {place}: expected range: [a, b], got {given.get('range')!r}"
        ) from None
    return operation, distribution, (a, b)


def _items(part: Any, place: str) -> Any:
    if not hasattr(part, "items"):
        raise ConfigError(f"randomization_params {place}: expected a dict, got {part!r}")
    return part.items()
