"""Labels: what people thought of recorded clips, for preference learning.

They lie in `labels.jsonl`, in the run folder or data set folder that was looked at: JSON objects,
one a line, only ever appended (`label_store`). Every label has

    version   1
    id        32 hex digits, of this label alone
    kind      "choice", "ranking", "like" or "retraction"
    who       name of the person (optional)
    when      ISO 8601, UTC (optional)
    clips     list of clips: {"dataset": name, "episode": number, "start": step, "stop": step,
              "key": hash of what the episode is, see `episode_key`}

and by kind

    choice      two clips; `preference` 1 (the first is better), 0 (the second), 0.5 (as good), or
                null (cannot be compared)
    ranking     two or more clips; `ranks`, a whole number for each: 0 is best, equals are as good
    like        one clip; `liked` true or false
    retraction  no clips; `retracts`, the id of a label that was a slip

Choices are those of Christiano et al. 2017 (arXiv 1706.03741).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from octoworld.core.errors import DatasetError

from .episode import Episode
from .problem import Problem
from .reader import Dataset, EpisodeMeta

FILE = "labels.jsonl"
VERSION = 1
PREFERENCES = (1.0, 0.0, 0.5, None)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Clip:
    """Steps start .. stop - 1 of an episode."""

    dataset: str
    """Name of the data set in its run: that of its folder."""
    episode: int
    """Number in the data set."""
    start: int
    stop: int
    key: str
    """`episode_key` of the episode that was seen."""


@dataclass(frozen=True)
class Label:
    """One judgement; which fields it has beside the clips, its kind says (see the module)."""

    kind: str
    clips: tuple[Clip, ...] = ()
    preference: float | None = None
    ranks: tuple[int, ...] = ()
    liked: bool = False
    retracts: str = ""
    who: str = ""
    when: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Preference:
    """A pair of clips and how much the first is preferred: 1, 0.5 or 0."""

    first: Clip
    second: Clip
    value: float


def episode_key(meta: EpisodeMeta) -> str:
    """Hash of what an episode is (length, instruction, facts), 16 hex digits.

    Numbers of episodes change their meaning when a data set is recorded anew; this tells.
    """
    what = json.dumps([meta.length, meta.instruction, meta.info], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def clip_of(
    dataset: Dataset, name: str, episode: int, start: int = 0, stop: int | None = None
) -> Clip:
    """Steps start .. stop - 1 (None: to the end) of an episode of the data set called `name`.

    Raises:
        DatasetError: no such episode or steps.
    """
    if not 0 <= episode < len(dataset):
        raise DatasetError(
            f"episode {episode} is not in {dataset.folder}; it has 0..{len(dataset) - 1}"
        )
    meta = dataset.episodes[episode]
    stop = meta.length if stop is None else stop
    if not 0 <= start < stop <= meta.length:
        raise DatasetError(
            f"steps {start}..{stop - 1} are not in episode {episode} of {dataset.folder}; it has "
            f"0..{meta.length - 1}"
        )
    return Clip(name, episode, start, stop, episode_key(meta))


def load_clip(dataset: Dataset, clip: Clip, **chosen: Sequence[str] | None) -> Episode:
    """The steps of a clip as an Episode; `chosen` are columns and cameras as `Dataset.episode`.

    Raises:
        DatasetError: the episode is no longer the one that was labelled, or cannot be read.
    """
    problem = _mismatch(clip, dataset)
    if problem:
        raise DatasetError(f"{dataset.folder}, {problem}; restore the data set or drop the label")
    whole = dataset.episode(clip.episode, **chosen, lazy=True)
    columns = {name: values[clip.start : clip.stop] for name, values in whole.columns.items()}
    return Episode(columns, whole.instruction, whole.fps, whole.info, whole.names)


def read_labels(path: Path | str) -> list[Label]:
    """Labels that stand, oldest first: of a run with its data sets, of a data set, or of a file.

    Labels that were retracted are left out. No labels at all are an empty list.

    Raises:
        DatasetError: there is no such folder or file, or a line is no label; file and line are
            named.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / FILE, *sorted(path.glob(f"episodes/*/{FILE}"))]
        files = [file for file in files if file.is_file()]
    elif path.is_file():
        files = [path]
    else:
        raise DatasetError(f"{path} does not exist; expected a run, a data set or {FILE}")
    found: dict[str, Label] = {}
    for file in files:
        for label in _read_file(file):
            found.setdefault(label.id, label)  # a line may have been written twice
    dropped = {label.retracts for label in found.values() if label.kind == "retraction"}
    return [x for x in found.values() if x.kind != "retraction" and x.id not in dropped]


def preferences(labels: Iterable[Label]) -> list[Preference]:
    """Pairs to learn from: each choice that could be made, and all pairs of every ranking."""
    pairs = []
    for label in labels:
        if label.kind == "choice" and label.preference is not None:
            first, second = label.clips
            pairs.append(Preference(first, second, label.preference))
        if label.kind == "ranking":
            for (a, rank_a), (b, rank_b) in combinations(
                zip(label.clips, label.ranks, strict=True), 2
            ):
                value = 0.5 if rank_a == rank_b else float(rank_a < rank_b)
                pairs.append(Preference(a, b, value))
    return pairs


def likes(labels: Iterable[Label]) -> dict[tuple[str, Clip], bool]:
    """(who, clip) -> whether it is liked: what each person said last."""
    return {(x.who, x.clips[0]): x.liked for x in labels if x.kind == "like"}


def stale(labels: Iterable[Label], datasets: Mapping[str, Dataset]) -> list[Problem]:
    """Labels whose clips are not, or no longer, in the data sets (by name); none when all are."""
    problems = []
    for label in labels:
        for clip in label.clips:
            known = datasets.get(clip.dataset)
            what = (
                f"data set {clip.dataset!r} is not there; there are {', '.join(datasets) or 'none'}"
                if known is None
                else _mismatch(clip, known)
            )
            if what:
                mend = "restore the data set, or leave the label out"
                problems.append(Problem(f"{FILE}, label {label.id}", what, mend))
    return problems


def to_json(label: Label) -> dict[str, Any]:
    """What is stored of a label."""
    row: dict[str, Any] = {"version": VERSION, "id": label.id, "kind": label.kind}
    row |= {name: value for name in ("who", "when") if (value := getattr(label, name))}
    if label.kind == "retraction":
        return row | {"retracts": label.retracts}
    row["clips"] = [vars(clip) for clip in label.clips]
    if label.kind == "choice":
        return row | {"preference": label.preference}
    if label.kind == "ranking":
        return row | {"ranks": list(label.ranks)}
    return row | {"liked": label.liked}


def from_json(row: Any) -> Label:
    """The label of a stored object.

    Raises:
        ValueError: it is none; the message says what was expected.
    """
    if not isinstance(row, dict):
        raise ValueError("expected a mapping")
    if row.get("version") != VERSION:
        raise ValueError(f"version {row.get('version')!r}, expected {VERSION}")
    kind, number = row.get("kind"), row.get("id")
    if not (isinstance(number, str) and _ID.fullmatch(number)):
        raise ValueError(f"id {number!r}, expected 32 hex digits")
    told = {name: row.get(name, "") for name in ("who", "when")}
    for name, value in told.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} {value!r}, expected text")
    if kind == "retraction":
        if not isinstance(row.get("retracts"), str):
            raise ValueError(f"retracts {row.get('retracts')!r}, expected the id of a label")
        return Label(kind, retracts=row["retracts"], id=number, **told)
    clips = _clips(row.get("clips"))
    if kind == "choice" and len(clips) == 2:
        value = row.get("preference", "nothing")
        if isinstance(value, bool) or value not in PREFERENCES:
            raise ValueError(f"preference {value!r}, expected 1, 0, 0.5 or null")
        preference = None if value is None else float(value)
        return Label(kind, clips, preference, id=number, **told)
    if kind == "ranking" and len(clips) >= 2:
        ranks = row.get("ranks")
        if (
            not isinstance(ranks, list)
            or len(ranks) != len(clips)
            or not all(type(r) is int and r >= 0 for r in ranks)
        ):
            raise ValueError(f"ranks {ranks!r}, expected {len(clips)} whole numbers from 0")
        return Label(kind, clips, ranks=tuple(ranks), id=number, **told)
    if kind == "like" and len(clips) == 1:
        if type(row.get("liked")) is not bool:
            raise ValueError(f"liked {row.get('liked')!r}, expected true or false")
        return Label(kind, clips, liked=row["liked"], id=number, **told)
    raise ValueError(
        f"kind {kind!r} with {len(clips)} clips, expected choice (2), ranking (2 or more), like "
        "(1) or retraction (0)"
    )


def is_label(line: bytes) -> bool:
    """Whether a line holds a label."""
    try:
        from_json(json.loads(line))
    except (ValueError, RecursionError):
        return False
    return True


def _clips(rows: Any) -> tuple[Clip, ...]:
    wanted = {"dataset": str, "episode": int, "start": int, "stop": int, "key": str}
    if not isinstance(rows, list):
        raise ValueError(f"clips {rows!r}, expected a list")
    for row in rows:
        if not isinstance(row, dict) or set(row) != set(wanted):
            raise ValueError(f"clip {row!r}, expected {', '.join(wanted)}")
        for name, kind in wanted.items():
            if type(row[name]) is not kind:
                raise ValueError(f"{name} {row[name]!r} of a clip, expected {kind.__name__}")
        if row["episode"] < 0 or not 0 <= row["start"] < row["stop"]:
            raise ValueError(f"clip {row!r}, expected episode >= 0 and 0 <= start < stop")
    return tuple(Clip(**row) for row in rows)


def _read_file(path: Path) -> list[Label]:
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror})") from None
    if is_label(last):  # else it is not finished, or was cut by a machine that stopped
        lines.append(last)
    labels = []
    for number, line in enumerate(lines, 1):
        try:
            labels.append(from_json(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f"{path}, line {number} is no label ({error}); restore the file, or delete the line"
            ) from None
    return labels


def _mismatch(clip: Clip, dataset: Dataset) -> str:
    """Why a clip is not in a data set; nothing when it is."""
    if clip.episode >= len(dataset):
        return f"episode {clip.episode} is not there; there are 0..{len(dataset) - 1}"
    meta = dataset.episodes[clip.episode]
    if episode_key(meta) != clip.key or clip.stop > meta.length:
        return f"episode {clip.episode} is not the one that was labelled"
    return ""
