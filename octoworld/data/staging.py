"""A dataset folder that changes all at once: a hidden sibling fills up and takes its place."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from octoworld.core.errors import DatasetError


def recover(folder: Path) -> None:
    """Put back the dataset that a kill between the two renames of `Staging.publish` left aside."""
    old = folder.with_name(f".{folder.name}.old")
    if old.is_dir() and not folder.exists():
        os.rename(old, folder)


class Staging:
    """The hidden sibling `.<name>.tmp` of a dataset folder, held by one writer at a time."""

    def __init__(self, folder: Path) -> None:
        """Take the lock and start from nothing; what a killed writer left is removed.

        Raises:
            DatasetError: another process is writing this dataset.
        """
        self.folder = folder
        self.path = folder.with_name(f".{folder.name}.tmp")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except BlockingIOError:
            os.close(self._lock)
            raise DatasetError(
                f"another process is writing {folder}; wait for it or choose another folder"
            ) from None
        recover(folder)
        for child in self.path.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()

    def link(self, names: list[str]) -> None:
        """Take over files and what lies below folders, as hard links that nobody modifies."""
        for name in names:
            place = self.folder / name
            for source in [place] if place.is_file() else sorted(place.rglob("*")):
                if source.is_file():
                    target = self.path / source.relative_to(self.folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        os.link(source, target)
                    except OSError:  # a file system without hard links
                        shutil.copy2(source, target)

    def publish(self) -> None:
        """Sync, and take the folder's place; a kill at any moment leaves the old or the new one."""
        for path in self.path.rglob("*"):
            if path.is_file() and path.stat().st_nlink == 1:  # linked files were synced before
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        old = self.folder.with_name(f".{self.folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            os.rename(self.folder, old)
        os.rename(self.path, self.folder)
        shutil.rmtree(old, ignore_errors=True)
        os.close(self._lock)

    def discard(self) -> None:
        """Remove what was gathered."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
