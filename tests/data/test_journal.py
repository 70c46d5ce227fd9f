"""Journals: what was written is read back; what was torn or damaged is told apart; locks hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoworld.core.errors import DatasetError
from octoworld.data.journal import Journal, left_journals, read_journal, set_aside

ROWS = [
    {"observation.images.front": np.full((1, 4, 6, 3), k, np.uint8), "action": np.array([[k / 2]])}
    for k in range(3)
]


@pytest.fixture
def left(tmp_path):
    """What a killed process leaves: three rows and a note, and nobody holds it."""
    journal = Journal(tmp_path / "data", {"kind": "steps", "fps": 10})
    for row in ROWS:
        journal.row(row)
    journal.note({"order": [3, "push", np.array([1.0, 0.0])]})
    journal.close()
    assert journal.path is not None and not journal.trouble
    return journal.path


def test_what_was_written_is_read(left):
    found = read_journal(left)
    assert found is not None and not found.is_torn
    assert found.header["fps"] == 10 and len(found.header["recording"]) == 32
    assert found.notes == [{"order": [3, "push", [1.0, 0.0]]}]
    for row, wanted in zip(found.rows, ROWS, strict=True):
        assert row.keys() == wanted.keys()
        assert all(np.array_equal(row[k], wanted[k]) for k in row)
        assert row["action"].dtype == np.float64


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_kill_at_any_byte_loses_the_last_record_at_most(left, share):
    data = left.read_bytes()
    cut = left.with_name("cut")
    cut.write_bytes(data[: int(share * len(data))])
    found = read_journal(cut)
    if found is None:  # not even the header had been written
        assert share < 0.1
        return
    whole = len(found.rows) + len(found.notes)
    assert found.is_torn == (whole < 4 and len(cut.read_bytes()) != _size_of(found, data))
    for row, wanted in zip(found.rows, ROWS, strict=False):
        assert np.array_equal(row["action"], wanted["action"])


def _size_of(found, data):
    """Bytes up to the end of the last whole record of `data`."""
    at, count = len(b"octoworld journal 1\n"), 1 + len(found.rows) + len(found.notes)
    for _ in range(count):
        at += 17 + int.from_bytes(data[at + 1 : at + 9], "little")
    return at


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_never_believed(left, place, flip):
    data = bytearray(left.read_bytes())
    data[int(place * len(data))] ^= flip
    changed = left.with_name("changed")
    changed.write_bytes(data)
    with pytest.raises(DatasetError, match="damaged"):
        read_journal(changed)


def test_only_journals_that_nobody_holds_are_left(tmp_path, left):
    mine = Journal(tmp_path / "data", {})
    mine.row(ROWS[0])
    assert mine.path == tmp_path / "data.unfinished-2"
    assert list(left_journals(tmp_path / "data")) == [left]
    for path in left_journals(tmp_path / "data"):  # taken once, even at the same time
        assert not list(left_journals(tmp_path / "data")) and path == left
    mine.remove()
    assert [p.name for p in tmp_path.iterdir()] == ["data.unfinished"]
    other = Journal(tmp_path / "data-2", {})
    assert list(left_journals(tmp_path / "data")) == [left]
    other.remove()


def test_set_aside_keeps_every_byte(left):
    data = left.read_bytes()
    place = set_aside(left)
    assert place.name == "data.damaged" and place.read_bytes() == data
    left.write_bytes(b"x")
    assert set_aside(left).name == "data.damaged-2" and place.read_bytes() == data


def test_no_journal_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "data", {})
    assert "no journal" in journal.trouble
    journal.row(ROWS[0])  # a recording goes on without one
    journal.remove()


def test_nothing_is_pickled(tmp_path):
    journal = Journal(tmp_path / "data", json.loads("{}"))
    with pytest.raises(ValueError, match="pickle"):
        journal.row({"action": np.array([{}], object)})
    journal.remove()
