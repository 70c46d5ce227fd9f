"""Flight logs of gym-pybullet-drones: reproduced by two engines, read with care, printed."""

import json
from pathlib import Path

import numpy as np
import pytest

from octoworld.bench.flightlogs import attitude_error, position_error, read_log
from octoworld.cli import bench
from octoworld.core.errors import ConfigError, DatasetError
from octoworld.recipes.drone_benches import CASES, DroneBench, fly

LOGS = sorted((Path(__file__).parent / "data").glob("*.npz"))


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.stem)
@pytest.mark.parametrize("backend", ["rotorcraft", "mujoco"])
def test_compat_reproduces_the_log(path, backend):
    log = read_log(path)
    position, quat = fly(log, backend)
    assert position_error(log, position) <= 1e-6
    assert attitude_error(log, quat) <= 1e-4


def test_there_are_logs_and_they_move():
    assert {p.stem for p in LOGS} >= {"hover", "dw_pair", "gnd_descend"}
    log = read_log(LOGS[0].parent / "dw_pair.npz")
    assert log.rpm.shape[1:] == (2, 4) and log.physics == "PYB_DW"
    assert np.ptp(log.position[:, :, 2]) > 0.1


def test_errors_are_distances_and_angles():
    log = read_log(LOGS[0].parent / "hover.npz")
    assert position_error(log, log.position + np.array([3e-3, 4e-3, 0])) == pytest.approx(5e-3)
    half = np.radians(1e-5) / 2
    turned = np.tile([np.cos(half), 0, np.sin(half), 0], (*log.rpm.shape[:2], 1))
    assert attitude_error(log, turned) == pytest.approx(1e-5, rel=1e-6)
    assert attitude_error(log, -log.quat_wxyz) == 0


def test_the_command_prints_rows(capsys):
    path = LOGS[0].parent / "dw_pair.npz"
    assert bench.main(["flightlogs", str(path), "--json"]) == 0
    rows = {r["backend"]: r for r in json.loads(capsys.readouterr().out)}
    for name in ("rotorcraft", "mujoco"):
        assert rows[name]["log"] == "dw_pair.npz" and rows[name]["reproduced"]
        assert rows[name]["position_error_m"] < 1e-6
    assert bench.main(["flightlogs", str(path)]) == 0
    assert "| dw_pair.npz | PYB_DW | rotorcraft |" in capsys.readouterr().out


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="which files"):
        bench.main(["flightlogs"])
    with pytest.raises(ConfigError, match="takes no files"):
        bench.main(["drones", "a.npz"])
    with pytest.raises(DatasetError, match="does not exist"):
        read_log(tmp_path / "none.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DatasetError, match="is not a flight log"):
        read_log(broken)
    with np.load(LOGS[0]) as good:
        arrays = {name: good[name] for name in good.files}
    np.savez(tmp_path / "short.npz", **(arrays | {"state": arrays["state"][:-1]}))
    with pytest.raises(DatasetError, match=r"expected \(T, A, 4\), \(T, A, 20\), \(A, 3\)"):
        read_log(tmp_path / "short.npz")
    del arrays["dt"]
    np.savez(tmp_path / "less.npz", **arrays)
    with pytest.raises(DatasetError, match="lacks dt"):
        read_log(tmp_path / "less.npz")


def test_the_drone_bench_stores_rows_and_claims(tmp_path, monkeypatch):
    from octoworld.recipes import drone_benches

    monkeypatch.setattr(drone_benches, "measure", lambda case, is_reset, n, s: [case.target] * n)
    DroneBench().run(True, tmp_path)
    claims = json.loads((tmp_path / "claims.json").read_text())
    assert [c["name"] for c in claims] == list(CASES)
    text = DroneBench().report(tmp_path)
    assert "| fifty-air | 1,500 | 1,500 | 14.3 |" in text
    monkeypatch.undo()
    rates = drone_benches.measure(CASES["one"], False, 2, 0.001)
    assert len(rates) == 2 and min(rates) > 0
