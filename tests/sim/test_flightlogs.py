"""Flight logs of gym-pybullet-drones: reproduced by every engine, read with care, printed, kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octoworld.cli import bench
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.recipes.drone_physics import angle_between, installed
from octoworld.recipes.flightlog_bench import FlightLogBench, read

LOGS = sorted((Path(__file__).parent / "data").glob("*.npz"))
ENGINES = installed(("rotorcraft", "mujoco", "pybullet"))


def test_compat_reproduces_every_log_in_every_engine():
    rows = FlightLogBench().compare(LOGS)
    assert {(r["log"], r["backend"]) for r in rows} == {(p.name, e) for p in LOGS for e in ENGINES}
    for row in rows:
        assert row["position_error_m"] <= 1e-6 and row["attitude_error_deg"] <= 1e-4, row
        assert row["reproduced"] and len(row["sha256"]) == 64


def test_there_are_logs_and_they_move():
    assert {p.stem for p in LOGS} >= {"hover", "dw_pair", "gnd_descend"}
    log = read(LOGS[0].parent / "dw_pair.npz")
    assert log.rpm.shape[1:] == (2, 4) and log.physics == "PYB_DW"
    assert np.ptp(log.position[:, :, 2]) > 0.1


def test_errors_are_distances_and_angles(monkeypatch):
    path = LOGS[0].parent / "hover.npz"
    log = read(path)
    half = np.radians(1e-5) / 2
    turned = np.tile([np.cos(half), 0, np.sin(half), 0], (*log.rpm.shape[:2], 1))
    assert angle_between(log.quat, turned).max() == pytest.approx(1e-5, rel=1e-6)
    assert angle_between(log.quat, -log.quat).max() == 0
    moved = log.position + np.array([3e-3, 4e-3, 0])
    monkeypatch.setattr(
        "octoworld.recipes.flightlog_bench.fly", lambda log, backend: (moved, turned)
    )
    row = FlightLogBench().compare([path])[0]
    assert row["position_error_m"] == pytest.approx(5e-3) and not row["reproduced"]


def test_the_command_prints_keeps_and_reports_rows(capsys, tmp_path):
    path, folder = str(LOGS[0].parent / "dw_pair.npz"), ["--folder", str(tmp_path)]
    assert bench.main(["flightlogs", path, "--json", *folder]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert not list(tmp_path.iterdir())
    for row in rows:
        assert row["log"] == "dw_pair.npz" and row["position_error_m"] < 1e-6
    assert bench.main(["flightlogs", path, "--store", *folder]) == 0
    table = capsys.readouterr().out
    assert "| dw_pair.npz | PYB_DW | rotorcraft |" in table
    stored = json.loads((tmp_path / "flightlogs" / "rows.json").read_text())
    assert stored["commit"] and stored["hardware"]["numpy"] and stored["rows"] == rows
    assert bench.main(["flightlogs", "--report", *folder]) == 0
    assert capsys.readouterr().out == table
    assert bench.main(["flightlogs", "--report", "--json", *folder]) == 0
    assert json.loads(capsys.readouterr().out) == rows


def test_wrong_options_are_named(tmp_path):
    for argv, message in (
        (["flightlogs"], "which files"),
        (["flightlogs", "--quick", "a.npz"], "has no --quick"),
        (["flightlogs", "--report", "a.npz"], "no files"),
        (["drones", "a.npz"], "takes no files"),
        (["drones", "--store"], "no --store"),
        (["cameras", "--beside", "python"], "measures nothing beside"),
    ):
        with pytest.raises(ConfigError, match=message):
            bench.main([*argv, "--folder", str(tmp_path)])


def test_bad_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.npz cannot be read as npz"):
        read(tmp_path / "none.npz")
    for name, content in (
        ("zip.npz", b"PK\x03\x04 no archive"),
        ("empty.npz", b""),
        ("t.txt", b"?"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match="cannot be read as npz"):
            read(tmp_path / name)
    np.save(tmp_path / "lone.npy", np.zeros(3))
    with pytest.raises(DatasetError, match="cannot be read as npz"):
        read(tmp_path / "lone.npy")
    with np.load(LOGS[0].parent / "dw_pair.npz") as good:
        arrays: dict[str, Any] = {name: good[name] for name in good.files}
    broken = arrays["rpm"].copy()
    broken[3, 0, 1] = np.nan
    for change, message in (
        ({"state": arrays["state"][:-1]}, r"expected \(T, A, 20\), \(T, A, 4\)"),
        ({"init_xyz": np.zeros((7, 3))}, r"init_xyz \(7, 3\)"),
        ({"rpm": broken}, "rpm has numbers that are not finite"),
        ({"dt": np.float64(0)}, "dt 0.0 must be one number above 0"),
        ({"physics": "PYB_X"}, r"bad\.npz: aero compat 'PYB_X' is unknown. Known: PYB, "),
        ({"physics": ""}, "names no physics mode"),
        ({"model": "cf9"}, r"bad\.npz: .*cf9"),
        ({"init_xyz": np.zeros_like(arrays["init_xyz"])}, "overlap where they start"),
    ):
        changed: dict[str, Any] = arrays | change
        np.savez(tmp_path / "bad.npz", **changed)
        with pytest.raises(DatasetError, match=message):
            read(tmp_path / "bad.npz")
    np.savez(tmp_path / "fast.npz", **(arrays | {"rpm": arrays["rpm"] + 1e4}))
    with pytest.raises(DatasetError, match=r"fast\.npz: rotor speed .* expected 0 to 21702\.6"):
        FlightLogBench().compare([tmp_path / "fast.npz"])
    del arrays["dt"]
    np.savez(tmp_path / "less.npz", **arrays)
    with pytest.raises(DatasetError, match="lacks dt"):
        read(tmp_path / "less.npz")
