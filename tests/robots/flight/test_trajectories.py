"""Trajectories: derivatives against finite differences, ends, shapes, and what is minimal."""

import numpy as np
import pytest

from octoworld.core.errors import ConfigError
from robots.control.flight.minimum_snap import allocate_times, minimum_snap, snap
from robots.control.flight.trajectories import Circle, Eased, FigureEight, Hover, Line

CORNERS = np.array([[0, 0, 1.0], [1, 0, 1.5], [1, 1, 1.0], [-0.5, 1, 2.0]])
MOTIONS = {
    "line": Line([0, 0, 1.0], [1, -2, 3.0], 2.5),
    "circle": Circle([0.1, 0.2, 1.0], 0.7, 4.0, phase=0.3, heading="forward"),
    "eight": FigureEight([0, 0, 1.0], 1.2, 0.8, 5.0, heading="forward"),
    "eased": Eased(FigureEight([0, 0, 1.0], heading=0.4), 1.5),
    "snap": minimum_snap(CORNERS, heading="forward"),
}


@pytest.mark.parametrize("name", MOTIONS)
def test_derivatives_are_derivatives(name):
    motion, h = MOTIONS[name], 1e-5
    t = np.linspace(0.11, 2.3, 40)
    before, now, after = motion(t - h), motion(t), motion(t + h)
    for low, high in (("position", "velocity"), ("velocity", "acceleration"),
                      ("acceleration", "jerk")):  # fmt: skip
        slope = (getattr(after, low) - getattr(before, low)) / (2 * h)
        scale = 1 + np.abs(slope).max()
        np.testing.assert_allclose(getattr(now, high) / scale, slope / scale, atol=1e-7)
    turn = np.angle(np.exp(1j * (after.yaw - before.yaw))) / (2 * h)
    np.testing.assert_allclose(now.yaw_rate, turn, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["eight", "circle", "snap"])
def test_forward_looks_along_the_velocity(name):
    setpoint = MOTIONS[name](np.linspace(0.2, 2.0, 30))
    nose = np.stack([np.cos(setpoint.yaw), np.sin(setpoint.yaw)], axis=-1)
    speed = np.linalg.norm(setpoint.velocity[..., :2], axis=-1)
    np.testing.assert_allclose(np.sum(nose * setpoint.velocity[..., :2], axis=-1), speed)


def test_ends_are_held():
    line = MOTIONS["line"]
    setpoint = line(np.array([-1.0, 0.0, 2.5, 9.0]))
    np.testing.assert_allclose(setpoint.position, [[0, 0, 1], [0, 0, 1], [1, -2, 3], [1, -2, 3]])
    np.testing.assert_allclose(setpoint.velocity, 0, atol=1e-12)
    np.testing.assert_allclose(setpoint.acceleration, 0, atol=1e-12)
    np.testing.assert_allclose(setpoint.jerk[[0, 3]], 0)
    motion = MOTIONS["snap"]
    last = motion(np.array([0.0, float(motion.duration), 99.0]))
    np.testing.assert_allclose(last.position, CORNERS[[0, -1, -1]], atol=1e-12)
    for order in (last.velocity, last.acceleration, last.jerk):
        np.testing.assert_allclose(order, 0, atol=1e-9)


def test_eased_starts_from_rest_and_catches_up():
    plain = FigureEight([0, 0, 1.0])
    start, late = Eased(plain, 1.5)(0.0), Eased(plain, 1.5)(4.0)
    np.testing.assert_allclose(start.array[3:12], 0, atol=1e-12)
    np.testing.assert_allclose(late.array, plain(4.0 - 0.75).array, atol=1e-12)


def test_shapes_broadcast():
    circles = Circle(np.zeros((5, 3)), np.arange(1.0, 6.0), 4.0)
    assert circles(1.0).array.shape == (5, 14)
    assert circles(np.zeros((7, 1))).array.shape == (7, 5, 14)
    np.testing.assert_allclose(circles(np.zeros((7, 1))).position[3, :, 0], np.arange(1.0, 6.0))
    assert Hover([0, 0, 1.0])(np.zeros(4)).array.shape == (4, 14)
    batch = np.stack([CORNERS, CORNERS[::-1]])
    motion = minimum_snap(batch)
    times = np.linspace(0, 4, 9)[:, None]
    both = motion(times).position
    for i, points in enumerate(batch):
        np.testing.assert_allclose(both[:, i], minimum_snap(points)(times[:, 0]).position)


def test_waypoints_are_passed_smoothly():
    motion = MOTIONS["snap"]
    knots = np.concatenate([[0], np.cumsum(motion.durations)])
    np.testing.assert_allclose(motion(knots).position, CORNERS, atol=1e-12)
    inner = knots[1:-1]
    before, after = motion(inner - 1e-9).array, motion(inner + 1e-9).array
    np.testing.assert_allclose(before[:, :12], after[:, :12], atol=1e-4)


def snap_by_quadrature(motion, total, h=1e-3):
    t = np.arange(h, total, h)
    slope = (motion(t + h / 2).jerk - motion(t - h / 2).jerk) / h
    return np.sum(slope**2) * h


def test_snap_is_least():
    """The cost is the integral, and any other velocity at a waypoint costs more."""
    times = np.array([1.0, 1.3, 0.9])
    motion = minimum_snap(CORNERS, times)
    _, cost = snap(CORNERS, times)
    assert snap_by_quadrature(motion, 3.2) == pytest.approx(float(cost), rel=2e-2)
    # one segment from rest to rest: 100800 d^2 / T^7
    d, span = 2.0, 1.5
    ends = np.array([[0.0, 0, 0], [d, 0, 0]])
    assert float(snap(ends, np.array([span]))[1]) == pytest.approx(100800 * d**2 / span**7)
    # a further waypoint on the way is a constraint, hence never cheaper than the free path
    middle = motion(np.array(0.5)).position
    free = np.array([0.5, 0.5, 1.3, 0.9])
    on = np.insert(CORNERS, 1, middle, axis=0)
    assert float(snap(on, free)[1]) == pytest.approx(float(cost), rel=1e-9)
    on[1, 0] += 0.01
    assert float(snap(on, free)[1]) > float(cost)


def test_better_times_cost_less():
    plain, better = minimum_snap(CORNERS), minimum_snap(CORNERS, optimize=True)
    np.testing.assert_allclose(better.duration, plain.duration)
    costs = [float(snap(CORNERS, m.durations)[1]) for m in (plain, better)]
    assert costs[1] < 0.9 * costs[0]


def test_times_follow_speed_and_acceleration():
    points = np.array([[0, 0, 0.0], [0.5, 0, 0], [10.5, 0, 0]])
    np.testing.assert_allclose(allocate_times(points, 2.0, 2.0), [1.0, 6.0])


def test_bad_input():
    with pytest.raises(ConfigError, match=r"duration 0\.0"):
        Line([0, 0, 0], [1, 0, 0], 0.0)
    with pytest.raises(ConfigError, match="period -1"):
        Circle([0, 0, 0], 1.0, -1.0)
    with pytest.raises(ConfigError, match="the same point"):
        minimum_snap(np.zeros((3, 3)))
    with pytest.raises(ConfigError, match=r"shape \(1, 3\)"):
        minimum_snap(np.zeros((1, 3)))
    with pytest.raises(ConfigError, match="expected 3 numbers above 0"):
        minimum_snap(CORNERS, [1.0, 2.0])
    with pytest.raises(ConfigError, match="one trajectory"):
        minimum_snap(np.stack([CORNERS] * 2), optimize=True)
