"""Flight logs: recorded, saved, read back; the reference's own files; CSV; LeRobot episodes."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.rotations import matrix_from_quat, quat_from_rotvec
from octoworld.data.flight_export import COLUMNS, csv_header, csv_table, flight_episode, write_csv
from octoworld.data.flightlog import KEYS, FlightLog, rpy_from_quat
from octoworld.data.reader import Dataset
from octoworld.data.writer import DatasetWriter

REFERENCE = Path(__file__).parents[1] / "sim" / "data"


@dataclass
class Flight:
    position: np.ndarray
    quat: np.ndarray
    velocity: np.ndarray
    omega_body: np.ndarray
    rotor_speed: np.ndarray


class Worlds:
    """Three worlds of two drones whose state is overwritten in place, as live views are."""

    def __init__(self, drones=2, rotors=4, seed=0):
        self.rng = np.random.default_rng(seed)
        shape = (3, drones)
        self.flight = Flight(*(np.zeros((*shape, n)) for n in (3, 4, 3, 3, rotors)))
        self.step()

    def step(self):
        for name in ("position", "velocity", "omega_body"):
            view = getattr(self.flight, name)
            view[...] = self.rng.normal(size=view.shape)
        self.flight.quat[...] = quat_from_rotvec(
            self.rng.normal(size=(*self.flight.quat.shape[:2], 3))
        )
        self.flight.rotor_speed[...] = self.rng.uniform(1e4, 2e4, self.flight.rotor_speed.shape)


def recorded(steps=25, dt=1 / 240, **kwargs):
    world = Worlds(**kwargs)
    log = FlightLog.of_world(world, dt, index=1, physics="PYB_DW", model="cf2x", names=("a", "b"))
    kept = []
    for t in range(steps):
        world.step()
        command = np.full(world.flight.rotor_speed[1].size, 1e4 + t)
        log.record(world, command, index=1)
        kept.append({k: getattr(world.flight, k)[1].copy() for k in vars(world.flight)})
    return log, kept


def test_what_is_recorded_is_kept_though_the_views_change():
    log, kept = recorded()
    assert len(log) == 25 and log.num_drones == 2
    for name in ("position", "quat", "velocity", "omega_body"):
        np.testing.assert_array_equal(getattr(log, name), [k[name] for k in kept])
    np.testing.assert_array_equal(log.rpm, [k["rotor_speed"] for k in kept])
    np.testing.assert_array_equal(log.command[:, 1, 3], 1e4 + np.arange(25))
    np.testing.assert_allclose(log.time, np.arange(1, 26) / 240)


def test_angles_and_rates_are_those_of_the_rotation():
    log, _ = recorded()
    roll, pitch, yaw = np.moveaxis(log.rpy, -1, 0)

    def about(axis, angle):
        return matrix_from_quat(quat_from_rotvec(angle[..., None] * np.eye(3)[axis]))

    built = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    np.testing.assert_allclose(built, matrix_from_quat(log.quat), atol=1e-12)
    turned = (matrix_from_quat(log.quat) @ log.omega_body[..., None])[..., 0]
    np.testing.assert_allclose(log.state[..., 13:16], turned)
    assert rpy_from_quat(np.array([1.0, 0, 0, 0])).tolist() == [0, 0, 0]


def test_npz_goes_round(tmp_path):
    log, _ = recorded()
    path = log.save(tmp_path / "flight.npz")
    again = FlightLog.load(path)
    assert (again.dt, again.physics, again.model, again.names) == (
        1 / 240,
        "PYB_DW",
        "cf2x",
        ("a", "b"),
    )
    np.testing.assert_array_equal(again.state[..., :13], log.state[..., :13])
    np.testing.assert_allclose(again.state, log.state, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(again.command, log.command)
    np.testing.assert_array_equal(again.init_xyz, log.init_xyz)


@pytest.mark.parametrize("name", ["hover", "dw_pair", "gnd_descend"])
def test_the_references_files_are_read_and_written_alike(tmp_path, name):
    source = np.load(REFERENCE / f"{name}.npz")
    log = FlightLog.load(REFERENCE / f"{name}.npz")
    copy = np.load(log.save(tmp_path / "copy.npz"))
    assert set(KEYS) <= set(copy.files)
    for key in ("rpm", "init_xyz", "dt", "physics", "model"):
        np.testing.assert_array_equal(copy[key], source[key])
    assert copy["state"].shape == source["state"].shape
    # their angles are Bullet's, equal to ours to rounding
    np.testing.assert_allclose(copy["state"], source["state"], rtol=1e-12, atol=1e-9)


def test_csv_has_units_and_every_bit(tmp_path):
    log, _ = recorded()
    paths = write_csv(log, tmp_path / "logs")
    assert [p.name for p in paths] == ["a.csv", "b.csv"]
    for i, path in enumerate(paths):
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        assert header == csv_header(log) and header[: len(COLUMNS)] == list(COLUMNS)
        assert all("[" in name for name in header) and header[-1] == "command3 [rpm]"
        np.testing.assert_array_equal(np.array(rows, float), csv_table(log, i))
    np.testing.assert_array_equal(csv_table(log, 1)[:, 1:4], log.position[:, 1])
    np.testing.assert_array_equal(csv_table(log, 1)[:, -4:], log.command[:, 1])


def test_an_episode_is_a_lerobot_dataset(tmp_path):
    log, _ = recorded(steps=25, dt=1 / 240)
    images = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3), np.uint8)
    episode = flight_episode(log, every=5, images={"front": images}, instruction="fly up")
    assert len(episode) == 4 and episode.fps == 48 and episode.cameras == ["front"]
    np.testing.assert_allclose(
        episode["observation.state"][2, 13:16], log.position[10, 1], rtol=1e-6
    )
    np.testing.assert_allclose(episode["action"][2], log.command[11].ravel(), rtol=1e-6)
    row = episode["observation.state"][2]
    named = dict(zip(episode.names["observation.state"], row, strict=True))
    assert named["b_x"] == pytest.approx(log.position[10, 1, 0], rel=1e-6)
    assert named["a_vz"] == pytest.approx(log.velocity[10, 0, 2], rel=1e-6)
    assert episode.names["action"][3:5] == ("a_rotor3", "b_rotor0")
    with DatasetWriter(tmp_path / "set", episode.fps, "cf2x") as writer:
        writer.add(episode)
    stored = Dataset(tmp_path / "set")
    assert len(stored) == 1 and stored.num_frames == 4
    assert stored.tasks == ["fly up"]


def test_drones_with_six_rotors_have_csv_and_no_npz(tmp_path):
    log, _ = recorded(rotors=6)
    assert csv_header(log)[-1] == "command5 [rpm]"
    with pytest.raises(DatasetError, match="6"):
        log.save(tmp_path / "flight.npz")
    assert not (tmp_path / "flight.npz").exists()


def test_bad_input_says_what_is_wrong(tmp_path):
    log, _ = recorded()
    with pytest.raises(ConfigError, match="dt 0"):
        FlightLog(0.0, init_xyz=[[0, 0, 1]])
    with pytest.raises(ConfigError, match=r"expected \(A, 3\)"):
        FlightLog(0.1, init_xyz=[[0, 0]])
    with pytest.raises(ConfigError, match="1 names, 2 drones"):
        FlightLog(0.1, init_xyz=np.zeros((2, 3)), names=("a",))
    with pytest.raises(ConfigError, match=r"\(4,\)"):
        log.record(Worlds(), np.zeros(4))
    with pytest.raises(DatasetError, match="empty"):
        FlightLog(0.1, init_xyz=np.zeros((1, 3))).save(tmp_path / "x.npz")
    with pytest.raises(DatasetError, match=r"34\.286 Hz"):
        flight_episode(log, every=7)
    with pytest.raises(DatasetError, match="too short"):
        flight_episode(log, every=30)
    with pytest.raises(DatasetError, match="expected 24"):
        flight_episode(log, images={"c": np.zeros((3, 8, 8, 3), np.uint8)})
    with pytest.raises(DatasetError, match=r"missing\.npz"):
        FlightLog.load(tmp_path / "missing.npz")
    np.savez(tmp_path / "half.npz", rpm=np.zeros((3, 1, 4)))
    with pytest.raises(DatasetError, match="lacks state"):
        FlightLog.load(tmp_path / "half.npz")
    values = {"init_xyz": np.zeros((1, 3)), "dt": 0.1, "physics": "", "model": ""}
    np.savez(tmp_path / "odd.npz", rpm=np.zeros((3, 1, 4)), state=np.zeros((3, 1, 19)), **values)
    with pytest.raises(DatasetError, match="expected"):
        FlightLog.load(tmp_path / "odd.npz")
