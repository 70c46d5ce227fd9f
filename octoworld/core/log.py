"""Metrics: a JSON line and a TensorBoard row per record; one progress line on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


class MetricsLog:
    """Append-only `metrics.jsonl` (+ TensorBoard). After a resume, later rows are cut first."""

    def __init__(self, folder: Path | str, resume_step: int | None = None) -> None:
        """Open `folder`; rows of `step >= resume_step` are dropped, since they come again."""
        from torch.utils.tensorboard import SummaryWriter

        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "metrics.jsonl"
        rows = read_metrics(self.path)
        keep = [] if resume_step is None else [r for r in rows if r["step"] < resume_step]
        self.path.write_text("".join(json.dumps(r) + "\n" for r in keep))
        self._file = self.path.open("a")
        self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=resume_step)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record scalars named `group/name` at `step`."""
        row: dict[str, Any] = {"step": int(step)}
        row |= {k: float(v) for k, v in metrics.items()}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            self._board.add_scalar(name, float(value), step)

    def close(self) -> None:
        """Write what is left and close both files."""
        self._file.close()
        self._board.close()


def read_metrics(path: Path | str) -> list[dict[str, float]]:
    """Rows of a `metrics.jsonl`; a last line cut by a kill is left out."""
    path = Path(path)
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows


class Progress:
    """One line that rewrites itself; silent when stderr is not a terminal."""

    def __init__(self, label: str, total: int, start: int = 0) -> None:
        self.label, self.total, self.start = label, total, start
        self._began = self._shown = time.monotonic()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def update(self, done: int, note: str = "") -> None:
        """Show `done` of `total` and the time left."""
        now = time.monotonic()
        if not self._live or (now - self._shown < 0.2 and done < self.total):
            return
        self._shown = now
        rate = (done - self.start) / max(now - self._began, 1e-9)
        left = (self.total - done) / rate if rate > 0 else 0.0
        text = f"{self.label} {done}/{self.total} {rate:.1f}/s {left:.0f} s left {note}"
        sys.stderr.write(f"\r\x1b[K{text[:110]}")
        sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
