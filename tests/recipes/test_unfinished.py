"""A server that is killed while it records: what was recorded is there afterwards."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from octoworld.cli import main as cli
from octoworld.data.check import check
from octoworld.data.journal import Journal, read_journal
from octoworld.data.reader import Dataset
from octoworld.recipes.live import LiveConfig, play_live
from octoworld.recipes.unfinished import Keeper, recover
from octoworld.viewer.controls import Order

from .killed import run_killed

SEED, PORT = 7, 18720
ROWS = 6
LIVE = f"""
from octoworld.recipes.live import LiveConfig, play_live

def record(page, session):
    for order in (Order("record"), Order("dial", ("gravity", 1.0))):
        session.steering.tell(order)

config = LiveConfig({SEED}, seconds=60.0, port={PORT})
play_live("Reach", out, config, clock=Fatal({ROWS}), on_open=record)
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder in which a killed session left its recording, and what stood in it."""
    out = tmp_path_factory.mktemp("killed") / "data"
    run_killed(LIVE, out)
    found = read_journal(out.with_name("data.unfinished"))
    assert found is not None
    return out, found


def test_the_next_session_has_what_the_killed_one_recorded(left, capsys):
    out, found = left
    assert not out.exists()

    class Clock:
        """Never waits."""

        restart = tick = lambda self: None

    seen = []

    def on_open(page, session):
        show = page.show
        page.show = lambda now: (seen.append(now), show(now))
        session.steering.tell(Order("record"))

    config = LiveConfig(SEED, seconds=60.0, port=PORT)
    play_live("Reach", out, config, clock=Clock(), on_open=on_open, most_steps=8)
    assert "recovered an unfinished recording" in capsys.readouterr().out
    assert any("recovered" in line for line in seen[0].lines)
    data = Dataset(out)
    cut, again = data.episode(0), data.episode(1)
    assert cut.info["recovered"] and "recovered" not in again.info
    assert len(cut) == len(found.rows) == ROWS and cut["next.done"].tolist()[-1]
    for name in ("action", "sim_state", "task_memory", "observation.state"):
        assert np.array_equal(cut[name], np.concatenate([row[name] for row in found.rows]))
    # the same start and the same expert: the killed session recorded what this one did
    assert np.array_equal(cut["sim_state"], again["sim_state"][:ROWS])
    assert cut.info["orders"] == [[0, "dial", ["gravity", 1.0]]] and cut.info["seed"] == SEED
    assert set(cut.columns) == set(again.columns) and cut.instruction == again.instruction
    assert not check(out) and (out / "scene.xml").exists()
    assert [path.name for path in out.parent.iterdir()] == ["data"]


def recorded(out, kind="steps"):
    """A journal of one row, as a killed process leaves it."""
    names = {"action": ["x"]}
    info = {"task": "Reach", "robot": "panda", "control_mode": "ee_delta_pos", "seed": 1}
    header = {"kind": kind, "fps": 10, "names": names, "episodes": [["reach", info]]}
    journal = Keeper(out, "<mujoco/>").journal(header)
    row = {
        "action": np.zeros((1, 1), np.float32), "next.success": np.ones(1, bool),
        "next.reward": np.ones(1, np.float32), "sim_state": np.zeros((1, 3)),
        "observation.environment_state": np.zeros((1, 2), np.float32),
    }  # fmt: skip
    journal.row(row)
    journal.close()
    assert journal.path is not None
    return journal.path


def test_a_command_recovers_too(tmp_path, capsys):
    run = tmp_path / "run"
    left = recorded(run / "episodes" / "live-0")
    assert cli.main(["dataset", "recover", str(run)]) == 0
    assert "recovered an unfinished recording of 1 steps" in capsys.readouterr().out
    out = run / "episodes" / "live-0"
    assert (out / "scene.xml").read_text() == "<mujoco/>" and not left.exists()
    assert Dataset(out).episode(0).info["first_success"] == 0
    assert cli.main(["dataset", "recover", str(out)]) == 0
    assert "nothing is unfinished" in capsys.readouterr().out


def test_a_recording_joins_once(tmp_path):
    out = tmp_path / "data"
    left = recorded(out)
    whole = left.read_bytes()
    assert len(recover(out)) == 1
    left.write_bytes(whole)  # as if the kill came after it was saved, before it was removed
    assert recover(out) == [] and len(Dataset(out)) == 1 and not left.exists()


@pytest.mark.parametrize("damage", ["flipped", "foreign", "unknown"])
def test_a_damaged_journal_is_set_aside(tmp_path, damage, capsys):
    out = tmp_path / "data"
    path = recorded(out, "tea leaves" if damage == "unknown" else "steps")
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    if damage == "foreign":
        data[:] = b"PK" + data
    path.write_bytes(data)
    assert cli.main(["dataset", "recover", str(out)]) == 1
    assert f"set aside as {out}.damaged" in capsys.readouterr().out
    assert out.with_name("data.damaged").read_bytes() == data and not path.exists()
    assert recover(out) == [] and not out.exists()


def test_what_does_not_fit_stays(tmp_path):
    out = tmp_path / "data"
    recorded(out)
    recover(out)
    other = recorded(out)
    found = read_journal(other)
    assert found is not None
    other.unlink()
    again = Journal(out, found.header | {"fps": 25})
    again.row(found.rows[0])
    again.close()
    assert again.path is not None
    (line,) = recover(out)
    assert "cannot join" in line and "25 Hz" in line and again.path.exists()


def test_sessions_side_by_side_leave_each_other_alone(tmp_path):
    out = tmp_path / "data"
    mine = Journal(out, {})
    assert mine.path is not None
    code = (
        "import sys; from pathlib import Path; from octoworld.data.journal import left_journals; "
        "print([path.name for path in left_journals(Path(sys.argv[1]))])"
    )
    for left in ("[]", "['data.unfinished']"):  # a second session looks, before and after
        ended = subprocess.run(
            [sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True
        )
        assert ended.stdout.strip() == left
        mine.close()
