"""The bench `drones`: what the physics must be, how fast it is, and the original beside it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octoworld.bench import ArmResult, Claim, report, run
from octoworld.bench.claim import load_claims, row_path
from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json
from octoworld.core.registry import ROBOTS, register_bench
from robots.control.flight.dslpid import DSLPID
from robots.control.flight.setpoint import DroneState, Setpoint
from sim.rotors import clean, compat

from . import drone_physics as physics
from . import flightlog_bench as _registers_itself  # noqa: F401
from .beside import CITED, Original
from .drone_speed import AIR, CASES, Case, first_step, measure, places
from .machine_code import compile_all

SUFFIX = "-original"
"""Of the arm that is gym-pybullet-drones' own."""
BACKENDS = ("rotorcraft", "mujoco", "pybullet")
STATES = {False: 100_000, True: 10_000}
"""Random states of each set by `quick`."""


def _physics_claim(
    name: str, arm: str, metric: str, bound: float, statement: str, direction: Any = "less"
) -> Claim:
    return Claim(name, (arm,), (0,), metric, direction=direction, margin=bound, statement=statement)


PHYSICS_CLAIMS = (
    _physics_claim(
        "engines agree on positions", "agreement", "position [m]", 1e-4,
        "clean set: rotorcraft, MuJoCo and PyBullet are at most 0.1 mm apart after 2 s",
    ),
    _physics_claim(
        "engines agree on attitudes", "agreement", "attitude [deg]", 0.01,
        "clean set: rotorcraft, MuJoCo and PyBullet are at most 0.01 deg apart after 2 s",
    ),
    _physics_claim(
        "free fall", "free-fall", "error [m]", 1e-9,
        "each engine falls as its step's closed form says, for 1 s",
    ),
    _physics_claim(
        "spin momentum", "spin", "relative change", 1e-6,
        "a free spin keeps its angular momentum for 10 s (RK4)",
    ),
    _physics_claim(
        "order of Euler", "order-euler", "order", 0.95,
        "Euler converges to closed forms (fall with drag, symmetric top) with order 1", "greater",
    ),
    _physics_claim(
        "order of RK4", "order-rk4", "order", 3.5,
        "RK4 converges to closed forms (fall with drag, symmetric top) with order 4", "greater",
    ),
    _physics_claim(
        "random states stay finite", "random-states", "broken", 0.5,
        "no NaN after a step from random states of 2 to 10 drones, clean and compat sets",
    ),
)  # fmt: skip
WAIT_CLAIM = _physics_claim(
    "no compile wait", "first-step", "CPU s", 2.0,
    "the first step of 1,024 worlds in a fresh process, machine code kept since set-up",
)  # fmt: skip
DSLPID_CLAIM = _physics_claim(
    "DSLPID", "dslpid", "largest difference [rpm]", 1e-6,
    "commands equal those of gym-pybullet-drones on 1,000 random states",
)  # fmt: skip


def physics_arm(name: str, quick: bool) -> dict[str, list[float]]:
    """Outcomes of one physics arm."""
    if name == "agreement":
        return {k: [v] for k, v in physics.disagreement(physics.installed(BACKENDS)).items()}
    if name == "free-fall":
        return {"error [m]": [physics.fall_error(b) for b in physics.installed(BACKENDS)]}
    if name == "spin":
        return {"relative change": [physics.spin_error()]}
    if name == "random-states":
        sets = (clean(), compat(AIR))
        return {"broken": [float(physics.count_broken(aero, STATES[quick])) for aero in sets]}
    orders = physics.convergence_order(name.removeprefix("order-"))
    return {"order": list(orders.values())}


def wait_outcomes(quick: bool) -> dict[str, list[float]]:
    """CPU seconds of first steps; `compiled` is of those that had to compile, as set-up does."""
    compile_all()
    count = 1 if quick else 3
    outcomes = {WAIT_CLAIM.metric: [first_step() for _ in range(count)]}
    if not quick:
        with TemporaryDirectory() as folder:
            outcomes["compiled"] = [first_step(Path(folder) / str(k)) for k in range(count)]
    return outcomes


def speed_claims(beside: bool) -> list[Claim]:
    """Targets of every case; and, beside the original, that it is better than that."""
    claims = []
    for name, case in CASES.items():
        direction = "less" if case.is_less_better else "greater"
        bound = f"at {'most' if case.is_less_better else 'least'} {case.target:g} {case.unit}"
        claims.append(
            Claim(
                name, (name,), (0,), case.unit, direction=direction, margin=case.target,
                statement=f"{case.statement}: {bound}",
            )
        )  # fmt: skip
        if beside:
            claims.append(
                Claim(
                    f"{name} beside the original", (name,), (0,), case.unit, direction=direction,
                    baseline=name + SUFFIX,
                    statement=f"{case.statement}: better than gym-pybullet-drones in the same run",
                )
            )  # fmt: skip
    return claims


def original_values(case: Case, original: Original, repeats: int, seconds: float) -> list[float]:
    """The case as gym-pybullet-drones, which has no batch, does it, in the case's unit."""
    case = case.without_batch()
    calls = original.measure(
        case.what,
        places=places(case.drones),
        physics=case.physics,
        repeats=repeats,
        seconds=seconds,
    )
    return [case.value(call) for call in calls]


def dslpid_outcomes(original: Original) -> dict[str, list[float]]:
    """Largest difference of a command [rpm] on 1,000 random states, cf2x and cf2p.

    100 sequences of 10 calls, each with the controller's memory: 70 random walks, whose commands
    stay within the rotors' range, and 30 of states drawn anew at any attitude, where most clip.
    """
    rng, shape, dt = np.random.default_rng(0), (100, 10), 1 / 48
    rows = 0.1 * rng.normal(size=(100, 1, 20)) + 2e-3 * rng.normal(size=(*shape, 20)).cumsum(axis=1)
    rows[..., 6] = 1 + np.abs(rows[..., 6])
    rows[70:] = rng.normal(size=(30, 10, 20))
    rows[..., 3:7] /= np.linalg.norm(rows[..., 3:7], axis=-1, keepdims=True)
    worst, commands = 0.0, []
    for model in ("cf2x", "cf2p"):
        controller = DSLPID(ROBOTS.get(model)(), shape[:1], frequency=1 / dt)
        ours = np.stack([_dslpid_call(controller, rows[:, k]) for k in range(shape[1])], axis=1)
        theirs = original.measure("dslpid", rows=rows.tolist(), model=model, dt=dt)
        worst = max(worst, float(np.abs(ours - np.array(theirs)).max()))
        commands.append(ours)
    low, high = np.min(commands), np.max(commands)
    free = float(np.mean((np.array(commands) > low) & (np.array(commands) < high)))
    return {DSLPID_CLAIM.metric: [worst], "share not clipped": [free]}


def _dslpid_call(controller: DSLPID, row: NDArray) -> NDArray:
    state = DroneState(row[:, :3], row[:, [6, 3, 4, 5]], row[:, 7:10], None)
    target = Setpoint.at(row[:, 10:13], row[:, 14:17], yaw=row[:, 13])
    return controller.command(state, target, row[:, 17:20])


@register_bench("drones")
class DroneBench:
    """Physics of drones: agreement, closed forms, rates; with `beside` the original's too."""

    name = "drones"
    description = "drones' physics: engines agree, closed forms, steps a CPU-second, resets"
    measures_beside = "gym-pybullet-drones"
    """What `--beside PYTHON` is an interpreter with."""

    def run(self, quick: bool, folder: Path, beside: Path | None = None) -> None:
        """Every case on one thread; medians are over repeats.

        Args:
            quick: fewer repeats and random states.
            folder: of the results.
            beside: an interpreter with gym-pybullet-drones, measured in the same run.

        Raises:
            ConfigError: `beside` does not work, or stored results beside it are not complete.
        """
        repeats, seconds = (3, 0.2) if quick else (9, 1.0)
        original = Original(beside) if beside is not None else None
        stored = (folder / "claims.json").exists() and _has_original(load_claims(folder))
        with_original = original is not None or stored
        claims = [*PHYSICS_CLAIMS, WAIT_CLAIM, *speed_claims(with_original)]
        claims += [DSLPID_CLAIM] if with_original else []
        arms: dict[str, Callable[[], Mapping[str, list[float]]]] = {
            c.arms[0]: lambda name=c.arms[0]: physics_arm(name, quick) for c in PHYSICS_CLAIMS
        }
        arms["first-step"] = lambda: wait_outcomes(quick)
        for name, case in CASES.items():
            arms[name] = lambda case=case: {
                case.unit: [case.value(s) for s in measure(case, repeats, seconds)]
            }
            if original is not None:
                arms[name + SUFFIX] = lambda case=case: {
                    case.unit: original_values(case, original, repeats, seconds)
                }
        if original is not None:
            arms["dslpid"] = lambda: dslpid_outcomes(original)

        def arm(name: str, seed: int, scratch: Path) -> ArmResult:
            if name not in arms:
                raise ConfigError(
                    f"{folder} lacks {name!r}, which needs the original: give --beside PYTHON"
                )
            outcomes = arms[name]()
            facts = {} if original is None else {self.measures_beside: original.version}
            return ArmResult(list(range(len(next(iter(outcomes.values()))))), outcomes, facts=facts)

        run(claims, arm, folder, config={"repeats": repeats, "seconds": seconds})

    def report(self, folder: Path) -> str:
        """Verdicts, then figures of the physics, then rates beside the original's."""
        return "\n\n".join([report(folder), physics_table(folder), speed_table(folder)])


def physics_table(folder: Path) -> str:
    """Figures of the physics, worst of each arm."""
    lines = ["| physics | measured | bound |", "|---|---|---|"]
    for claim in load_claims(folder):
        values = _outcomes(folder, claim.arms[0], claim.metric)
        if (
            claim.metric in {c.metric for c in (*PHYSICS_CLAIMS, WAIT_CLAIM, DSLPID_CLAIM)}
            and values
        ):
            worst = min(values) if claim.direction == "greater" else max(values)
            sign = ">" if claim.direction == "greater" else "<"
            lines.append(f"| {claim.statement} | {worst:.3g} | {sign} {claim.margin:g} |")
    return "\n".join(lines)


def speed_table(folder: Path) -> str:
    """Medians, targets, the original's, and how many times better."""
    lines = [
        "| case | octoworld | target | gym-pybullet-drones | times | unit |",
        "|---|---|---|---|---|---|",
    ]
    measured = False
    for name, case in CASES.items():
        ours, theirs = (_outcomes(folder, a, case.unit) for a in (name, name + SUFFIX))
        if not ours:
            continue
        measured = measured or bool(theirs)
        value = statistics.median(ours)
        other = statistics.median(theirs) if theirs else CITED.get(name)
        if other is None:
            last = "- | -"
        else:
            times = other / value if case.is_less_better else value / other
            last = f"{other:,.4g}{'' if theirs else ' (cited)'} | {times:,.3g}"
        lines.append(
            f"| {case.statement} | {value:,.4g} | {case.target:,.4g} | {last} | {case.unit} |"
        )
    if not measured:
        lines += ["", "gym-pybullet-drones did not run: figures of 2.1.0, see --beside PYTHON."]
    return "\n".join(lines)


def _has_original(claims: list[Claim]) -> bool:
    return any((c.baseline or "").endswith(SUFFIX) for c in claims)


def _outcomes(folder: Path, arm: str, metric: str) -> list[float]:
    path = row_path(folder, arm, 0)
    return read_json(path)["outcomes"].get(metric, []) if path.exists() else []
