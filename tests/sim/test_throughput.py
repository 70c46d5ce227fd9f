"""The throughput measurement runs and reports consistent numbers."""

from octoworld.bench.throughput import throughput


def test_rates_are_of_the_same_work(make_env):
    result = throughput(
        lambda n: make_env(num_envs=n, max_episode_length=50),
        substeps=20, num_worlds=16, rounds=3, seconds=0.1,
    )  # fmt: skip
    assert result["num_worlds"] == 16 and result["num_threads"] >= 1
    assert result["ratio_min"] <= result["ratio"] <= result["ratio_max"]
    # far beyond timing noise on a busy machine; the budget itself is held by a benchmark
    assert 0.05 < result["ratio"] < 2.0
