"""The bench's client takes what a browser would, and its clocks count whole rows."""

import json

from octoworld.recipes.viewer_bench import (
    UPDATES,
    ViewerBenchConfig,
    large_dataset,
    last_row,
    scrub,
)
from octoworld.viewer.catalogue import catalogue
from octoworld.viewer.recording import open_recording


def test_scrubbing_sends_pictures_to_the_client(run_folder):
    result = scrub(run_folder, ViewerBenchConfig(updates=12))
    assert result.outcomes[UPDATES][0] > 0 and result.facts["megabytes sent"] > 0.01
    assert result.facts["steps"] == 24


def test_large_data_sets_have_one_long_episode(tmp_path):
    recording = open_recording(large_dataset(2000, tmp_path))
    (dataset,) = recording.datasets.values()
    assert [e.length for e in dataset.episodes] == [400, 500, 500, 500, 100]
    assert all(entry.success for entry in catalogue(dataset))


def test_the_last_whole_row_counts(tmp_path):
    rows = [{"step": 5, "time/seconds": 1.5}, {"step": 9, "eval/success": 1.0}]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"step": 12, "time/sec')
    assert last_row(path) == (5, 1.5)
