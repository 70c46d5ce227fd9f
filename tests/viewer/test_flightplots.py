"""Figures show the numbers of the log; films have a steady rate."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from octoworld.core.errors import ConfigError
from octoworld.data.flightlog import FlightLog
from octoworld.data.video import iterate_video
from octoworld.viewer.flightplots import FlightFilm, plot_flight, plot_top_view, save_figure


class View:
    def __init__(self, drones=2):
        self.position = np.zeros((1, drones, 3))
        self.quat = np.tile([1.0, 0, 0, 0], (1, drones, 1))
        self.velocity = np.zeros((1, drones, 3))
        self.omega_body = np.zeros((1, drones, 3))
        self.rotor_speed = np.zeros((1, drones, 4))


class Spinning:
    """Two drones on circles, turning about z at 2 rad/s: more than once round."""

    def __init__(self):
        self.flight = View()

    def go(self, t):
        f = self.flight
        angle = 2 * t + np.array([0, np.pi])
        f.position[0] = np.stack([np.cos(angle), np.sin(angle), 1 + 0 * angle], -1)
        f.quat[0] = [np.cos(t), 0, 0, np.sin(t)]
        f.omega_body[0, :, 2] = 2
        f.rotor_speed[0] = 15000 + 100 * np.arange(4)

    def render(self, camera, worlds=None, size=None):
        shade = np.uint8(100 + 100 * self.flight.position[0, 0, 0])
        return np.full((1, *(size or (16, 16)), 3), shade)


@pytest.fixture
def log():
    world = Spinning()
    world.go(0.0)
    log = FlightLog.of_world(world, 0.02, model="cf2x", physics="PYB", names=("leader", "second"))
    for k in range(1, 201):
        world.go(0.02 * k)
        log.record(world, np.zeros(8))
    return log


def line(figure: Figure, panel: int, index: int):
    return np.asarray(figure.axes[panel].get_lines()[index].get_ydata(), float)


def test_panels_show_every_drone_in_its_units(log):
    figure = plot_flight(log, reference=(0.0, 0.0, 1.0))
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == [
        "x [m]", "y [m]", "z [m]", "vx [m/s]", "vy [m/s]", "vz [m/s]", "roll [deg]", "pitch [deg]",
        "yaw [deg]", "p [deg/s]", "q [deg/s]", "r [deg/s]", "rotors [rpm]",
    ]  # fmt: skip
    np.testing.assert_array_equal(line(figure, 0, 0), log.position[:, 0, 0])
    np.testing.assert_array_equal(line(figure, 1, 2), log.position[:, 1, 1])
    np.testing.assert_array_equal(line(figure, 2, 1), np.ones(200))  # the reference
    # yaw does not jump where the angle wraps
    np.testing.assert_allclose(line(figure, 8, 1), np.rad2deg(2 * log.time))
    np.testing.assert_allclose(line(figure, 11, 0), np.rad2deg(2.0))
    motors = figure.axes[12].get_lines()
    assert len(motors) == 8 and motors[5].get_label() == "second rotor 1"
    np.testing.assert_array_equal(np.asarray(motors[7].get_ydata()), log.rpm[:, 1, 3])


def test_the_view_from_above_is_to_scale_and_begins_at_the_start(log):
    figure = plot_top_view(log, drones=[1])
    path = figure.axes[0].get_lines()[0]
    assert path.get_label() == "second" and figure.axes[0].get_aspect() == 1.0
    xy = np.asarray(path.get_xydata(), float)
    np.testing.assert_array_equal(xy[0], log.init_xyz[1, :2])
    np.testing.assert_array_equal(xy[1:], log.position[:, 1, :2])


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_figures_are_written(log, tmp_path, kind):
    path = save_figure(plot_top_view(log), tmp_path / f"top.{kind}")
    head = path.read_bytes()[:400]
    assert head.startswith(b"\x89PNG") if kind == "png" else b"<svg" in head or b"<?xml" in head


def test_films_have_their_rate_whatever_the_step(tmp_path):
    world = Spinning()
    film = FlightFilm(world, "front", 1 / 48, fps=30, size=(32, 48))
    for k in range(97):
        world.go(k / 48)
        film.look()
    assert len(film.frames) == 61  # 0 to 2 s at 30 Hz
    for number, frame in enumerate(film.frames):
        # a frame is of the first look at or after its time
        t = np.ceil(number / 30 * 48 - 1e-6) / 48
        assert abs(int(frame[0, 0, 0]) - (100 + 100 * np.cos(2 * t))) <= 1
    path = film.save(tmp_path / "film.mp4")
    assert [n for n, _ in iterate_video(path)] == list(range(61))


def test_bad_input_says_what_is_wrong(log, tmp_path):
    with pytest.raises(ConfigError, match=r"drone 2 .*0 to 1"):
        plot_flight(log, drones=[2])
    with pytest.raises(ConfigError, match=r"\(7, 3\)"):
        plot_top_view(log, reference=np.zeros((7, 3)))
    with pytest.raises(ConfigError, match="png, pdf, svg"):
        save_figure(plot_top_view(log), tmp_path / "top.bmp")
    with pytest.raises(ConfigError, match="at most"):
        FlightFilm(Spinning(), "front", 0.1, fps=30)
