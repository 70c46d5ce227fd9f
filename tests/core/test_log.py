"""Metrics survive kills; the progress line stays off what is not a terminal."""

import io
import json

from octoworld.core.log import MetricsLog, Progress, read_metrics


def _write(folder, steps, resume=None):
    log = MetricsLog(folder, resume_step=resume)
    for step in steps:
        log.write(step, {"a/x": step + 0.5})
    log.close()


def test_rows_and_board(tmp_path):
    _write(tmp_path, [0, 1])
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert rows == [{"step": 0, "a/x": 0.5}, {"step": 1, "a/x": 1.5}]
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_resume_cuts_what_comes_again(tmp_path):
    _write(tmp_path, [0, 1, 2, 3])
    _write(tmp_path, [2, 3, 4], resume=2)
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == [0, 1, 2, 3, 4]


def test_a_new_run_starts_empty(tmp_path):
    _write(tmp_path, [0, 1])
    _write(tmp_path, [0])
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1


def test_a_line_cut_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 0, "a": 1.0}) + '\n{"step": 1, "a"')
    assert read_metrics(path) == [{"step": 0, "a": 1.0}]
    _write(tmp_path, [1], resume=1)
    assert [r["step"] for r in read_metrics(path)] == [0, 1]
    assert read_metrics(tmp_path / "none.jsonl") == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_only(monkeypatch):
    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr("sys.stderr", stream)
        with Progress("train", 3) as progress:
            progress.update(3, "loss 0.1")
        text = stream.getvalue()
        assert ("train 3/3" in text and "loss 0.1" in text) is shown
        assert text.endswith("\x1b[K") is shown
        assert "\n" not in text
