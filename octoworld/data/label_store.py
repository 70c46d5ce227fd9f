"""LabelStore: appends labels to a file so that none is lost, whoever else writes or is killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError

from .labels import FILE, Label, from_json, is_label, read_labels, to_json

ATTEMPTS, PAUSE = 100, 0.05
"""How often, and how long apart [s], to look for a folder that is being put in place."""


class LabelStore:
    """The `labels.jsonl` of one run or data set; any number of threads and processes may write.

    A label is on disk (synced) when `add` returns. Lines are appended under a lock of the file, so
    they never mix, and what a killed machine left of a line is cut off before the next. A data set
    that grows is put in place by renaming, and the file can be another one afterwards: labels of
    this store that are not in it are then written again.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open; nothing is written before the first label.

        Raises:
            DatasetError: `folder` is no folder.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DatasetError(f"{folder} is no folder; expected a run or a data set")
        self.path = self.folder / FILE
        self._mine: dict[str, bytes] = {}
        self._last = (0, b"")  # offset and text of the line that was written last
        self._lock = threading.Lock()

    def add(self, kind: str, **fields: Any) -> Label:
        """Store a label of this kind (see `labels`) with the time of now; returns it.

        Raises:
            DatasetError: it is no label (its clips or fields do not belong to its kind), or the
                file cannot be written; then it is not stored.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = to_json(Label(kind, when=now, **fields))
        try:
            label = from_json(json.loads(json.dumps(row)))
        except (TypeError, ValueError) as error:
            raise DatasetError(f"this is no label: {error}") from None
        with self._lock:
            self._mine[label.id] = json.dumps(row).encode() + b"\n"
            try:
                self._write()
            except OSError as error:
                del self._mine[label.id]
                raise DatasetError(
                    f"{self.path} cannot be written ({error.strerror}); the label is not stored"
                ) from None
        return label

    def retract(self, label: Label, who: str = "") -> Label:
        """Take a label back; both stay in the file."""
        return self.add("retraction", retracts=label.id, who=who)

    def labels(self) -> list[Label]:
        """What stands in the file now, of everybody; see `read_labels`."""
        return read_labels(self.path) if self.path.exists() else []

    def _write(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                with self._locked() as file:
                    self._append(file)
                    if os.path.samestat(os.fstat(file), os.stat(self.path)):
                        return
            except FileNotFoundError:  # between the two renames of a data set that grows
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE)
        raise OSError(None, "the folder is replaced again and again")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            if is_new:
                folder = os.open(self.folder, os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
        finally:
            os.close(file)  # and with it the lock

    def _append(self, file: int) -> None:
        """Write what is missing of this store's labels behind the last whole line."""
        size = _mend(file, os.fstat(file).st_size)
        lines = list(self._mine.values())[-1:]
        offset, line = self._last
        if os.pread(file, len(line), offset) != line:  # this is another file than the last time
            there = os.pread(file, size, 0)
            lines = [line for line in self._mine.values() if line not in there]
        try:
            for line in lines:
                _write_all(file, line)
            os.fsync(file)
            if lines:
                self._last = (os.fstat(file).st_size - len(lines[-1]), lines[-1])
        except OSError:  # a full disk: half a label is none
            os.ftruncate(file, size)
            raise


def _mend(file: int, size: int) -> int:
    """Finish or cut off a last line without an end; returns the length of the file [bytes].

    A label to which only the line end is missing was typed by hand; anything else was cut by a
    machine that stopped while it wrote, and nobody was told that it is stored.
    """
    end = _whole(file, size)
    if end == size:
        return size
    if is_label(os.pread(file, size - end, end)):
        _write_all(file, b"\n")
        return size + 1
    os.ftruncate(file, end)
    return end


def _whole(file: int, size: int) -> int:
    """Length of the file up to its last line end [bytes]."""
    end = size
    while end > 0:
        start = max(0, end - 4096)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
