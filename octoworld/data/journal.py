"""Journal: a recording in progress on disk, row by row, so that a killed process loses none.

A journal is a file beside the data set that the recording will join, `NAME.unfinished`, which its
process keeps locked; a second session beside it has `NAME.unfinished-2`, and so on. It is removed
once the episode is in the data set, or is not wanted. What nobody has locked was left by a process
that was killed.

The file is `MAGIC` and then records, each a kind (one byte), the length of its content (8 bytes,
little-endian), the CRC-32 of these nine bytes, that of the content, and the content: JSON for the
header (`H`, the first record) and for notes (`N`), an uncompressed npz for a row (`R`). Nothing is
pickled. A kill can tear the last record only, and what was torn did not happen yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import io
import itertools
import json
import os
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from octoworld.core.errors import DatasetError

from .metadata import plain

MAGIC = b"octoworld journal 1\n"
UNFINISHED, DAMAGED = ".unfinished", ".damaged"
"""Endings of journals, and of those that were set aside."""
RECORDING = "recording"
"""Key of `Episode.info`: the id of the recording, by which a journal knows its episode."""
_HEAD, _SUMS = struct.Struct("<cQ"), struct.Struct("<II")


class Journal:
    """Written while an episode is recorded; every record is safe against a kill once it is."""

    def __init__(self, dataset: Path, header: Mapping[str, Any]) -> None:
        """Begin one beside the data set at the folder `dataset`.

        A recording must not end because its journal cannot be written (a full disk): `trouble`
        says so then, and the journal ends there.
        """
        self.id = uuid.uuid4().hex
        self.trouble = ""
        self.path: Path | None = None
        self._file: BinaryIO | None = None
        try:
            self.path, self._file = _create(Path(dataset))
            self._file.write(MAGIC)
        except OSError as error:
            self._give_up(error)
        self._write(b"H", _json({**header, RECORDING: self.id}))

    def row(self, row: Mapping[str, NDArray]) -> None:
        """Append a row: arrays by column."""
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **row)  # type: ignore[arg-type] - names are columns
        self._write(b"R", content.getvalue())

    def note(self, note: Mapping[str, Any]) -> None:
        """Append a note: plain values."""
        self._write(b"N", _json(note))

    def remove(self) -> None:
        """The recording is in its data set, or is not wanted."""
        if self._file is not None:
            assert self.path is not None
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the file as it is, for whoever opens the data set next."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, kind: bytes, content: bytes) -> None:
        if self._file is None:
            return
        head = _HEAD.pack(kind, len(content))
        try:
            self._file.write(head + _SUMS.pack(zlib.crc32(head), zlib.crc32(content)) + content)
            self._file.flush()  # with the system: that outlives the process
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.trouble = f"a kill would lose this recording: no journal ({error.strerror})"
        with contextlib.suppress(OSError):
            self.close()


@dataclass
class Unfinished:
    """What a journal holds."""

    header: dict[str, Any]
    rows: list[dict[str, NDArray]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    is_torn: bool = False
    """Whether a last record was cut off, and is left out."""


def read_journal(path: Path | str) -> Unfinished | None:
    """What stands in a journal, less a torn last record; None when not even its header is whole.

    Raises:
        DatasetError: it is damaged in its midst, or is no journal.
    """
    path = Path(path)
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            return None
        raise DatasetError(f"{path} is damaged: it does not begin as a journal does")
    at, found = len(MAGIC), None
    head_size = _HEAD.size + _SUMS.size
    while at < len(data):
        head = data[at : at + head_size]
        if len(head) < head_size:
            break
        kind, length = _HEAD.unpack_from(head)
        head_sum, content_sum = _SUMS.unpack_from(head, _HEAD.size)
        if zlib.crc32(head[: _HEAD.size]) != head_sum:
            raise DatasetError(f"{path} is damaged at byte {at}: no record begins there")
        content = data[at + head_size : at + head_size + length]
        if len(content) < length:
            break
        if zlib.crc32(content) != content_sum:
            raise DatasetError(f"{path} is damaged at byte {at}: the record does not fit its sum")
        try:
            found = _add(found, kind, content)
        except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path} is damaged at byte {at}: {error}") from None
        at += head_size + length
    if found is not None:
        found.is_torn = at < len(data)
    return found


def _add(found: Unfinished | None, kind: bytes, content: bytes) -> Unfinished:
    if kind == b"H" and found is None:
        return Unfinished({RECORDING: "", **json.loads(content)})
    if found is None:
        raise ValueError("a header was expected")
    if kind == b"N":
        found.notes.append(dict(json.loads(content)))
    elif kind == b"R":
        with np.load(io.BytesIO(content), allow_pickle=False) as row:
            found.rows.append(dict(row))
    else:
        raise ValueError(f"a record of kind {kind!r}")
    return found


def left_journals(dataset: Path) -> Iterator[Path]:
    """Journals of the data set at this folder that no process writes any more.

    Each one is locked while the caller has it, so that no other process takes it as well.
    """
    names = dataset.parent.glob(f"{glob.escape(dataset.name)}{UNFINISHED}*")
    for path in sorted(names):
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield path
        except (BlockingIOError, FileNotFoundError):  # in use, or another process was quicker
            continue


def set_aside(path: Path) -> Path:
    """Rename a journal that cannot be read, so that nobody stumbles over it again; where it is."""
    name = path.name.rpartition(UNFINISHED)[0] + DAMAGED
    for number in itertools.count(1):
        place = path.with_name(name if number == 1 else f"{name}-{number}")
        if not place.exists():
            path.rename(place)
            return place
    raise AssertionError  # there are numbers enough


def _create(dataset: Path) -> tuple[Path, BinaryIO]:
    """A new journal of this process, locked."""
    dataset.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        ending = UNFINISHED if number == 1 else f"{UNFINISHED}-{number}"
        path = dataset.with_name(dataset.name + ending)
        try:
            file = open(path, "xb")  # noqa: SIM115 - kept open as long as the journal is
        except FileExistsError:
            continue
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return path, file
        file.close()  # somebody took it for one that was left, before it was locked
    raise AssertionError  # there are numbers enough


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, default=plain).encode()
