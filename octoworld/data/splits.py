"""Split manifest: which start seeds are for training, for selection, for the final test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from octoworld.core.errors import DatasetError, OctoworldError
from octoworld.core.io import read_json, write_json

Range = tuple[int, int]
"""Seeds start .. stop - 1."""


class SplitManifest:
    """Named, disjoint sets of start seeds; a start state is a function of its seed alone."""

    def __init__(self, splits: Mapping[str, Sequence[Range]]) -> None:
        """Build from ranges (start, stop): `{"train": [(0, 5000)], "test": [(9000, 9200)]}`.

        Raises:
            DatasetError: a range is empty or negative, or two splits overlap.
        """
        self.splits = {name: _merge(name, ranges) for name, ranges in splits.items()}
        self.assert_disjoint()

    def __getitem__(self, name: str) -> list[int]:
        """All seeds of a split, in order."""
        return [seed for start, stop in self._ranges(name) for seed in range(start, stop)]

    def num_seeds(self, name: str) -> int:
        """Number of seeds in a split."""
        return sum(stop - start for start, stop in self._ranges(name))

    def sha256(self, name: str) -> str:
        """Hash of a split's seeds, whatever ranges they were written as."""
        text = ",".join(f"{start}:{stop}" for start, stop in self._ranges(name))
        return hashlib.sha256(text.encode()).hexdigest()

    def split_of(self, seed: int) -> str | None:
        """Name of the split that holds `seed`, or None."""
        for name, ranges in self.splits.items():
            if any(start <= seed < stop for start, stop in ranges):
                return name
        return None

    def assert_disjoint(self) -> None:
        """Raise DatasetError naming the first two splits that share seeds, and the seeds."""
        names = list(self.splits)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                for start_a, stop_a in self.splits[a]:
                    for start_b, stop_b in self.splits[b]:
                        start, stop = max(start_a, start_b), min(stop_a, stop_b)
                        if start < stop:
                            raise DatasetError(
                                f"splits {a!r} and {b!r} overlap in seeds {start}..{stop - 1} "
                                f"({stop - start} seeds); move one of them"
                            )

    def assert_seeds(self, name: str, seeds: Iterable[int]) -> None:
        """Raise DatasetError when a seed that was used is not of split `name`: a leak."""
        ranges = self._ranges(name)
        for seed in seeds:
            if not any(start <= seed < stop for start, stop in ranges):
                raise DatasetError(
                    f"seed {seed} is not of split {name!r} (it is of {self.split_of(seed)!r}); use "
                    f"{', '.join(f'{start}..{stop - 1}' for start, stop in ranges)}"
                )

    def save(self, path: Path | str) -> None:
        """Write as JSON, atomically."""
        rows = {
            name: {"ranges": [list(r) for r in ranges], "sha256": self.sha256(name)}
            for name, ranges in self.splits.items()
        }
        write_json(path, {"splits": rows})

    @classmethod
    def load(cls, path: Path | str) -> SplitManifest:
        """Read a manifest.

        Raises:
            DatasetError: it is missing or damaged, a hash does not fit, or splits overlap.
        """
        try:
            rows = read_json(path)["splits"]
            manifest = cls({n: [(int(a), int(b)) for a, b in r["ranges"]] for n, r in rows.items()})
            hashes = {name: row["sha256"] for name, row in rows.items()}
        except DatasetError:
            raise
        except (OctoworldError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{path} is no split manifest ({error}); create it again") from None
        for name, found in hashes.items():
            if found != manifest.sha256(name):
                raise DatasetError(
                    f"{path}: the seeds of split {name!r} were changed after their hash was taken; "
                    "restore the file, or save a new manifest under another name"
                )
        return manifest

    def _ranges(self, name: str) -> tuple[Range, ...]:
        if name not in self.splits:
            raise DatasetError(f"split {name!r} is not one of {', '.join(self.splits)}")
        return self.splits[name]


def _merge(name: str, ranges: Sequence[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for start, stop in sorted((int(a), int(b)) for a, b in ranges):
        if start < 0 or stop <= start:
            raise DatasetError(f"split {name!r}: expected 0 <= start < stop, got ({start}, {stop})")
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)
