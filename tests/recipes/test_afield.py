"""Work on a local Ray cluster: a worker is lost on the way, and no episode is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from octoworld.cli.main import main
from octoworld.core.cluster import cluster
from octoworld.core.errors import ActionError, ConfigError, OctoworldError
from octoworld.core.io import read_json
from octoworld.data.reader import Dataset
from octoworld.recipes.actors import ExpertActor
from octoworld.recipes.afield import collect_afield
from octoworld.recipes.rollouts import RolloutConfig, collect

pytestmark = pytest.mark.timeout(600)  # Ray takes its time on a busy machine
CONTROLLER = str(Path(__file__).parents[2] / "assets/checkpoints/reach-ppo")


@pytest.fixture
def workers():
    pytest.importorskip("ray")
    with cluster("local:2") as found:
        yield found


def dies_once(marker: Path, victim: int):
    """Actors of experts; the first that begins at seed `victim` takes its process with it."""

    def make(env, seed):
        class Mortal(ExpertActor):
            def act(self, env, obs, step):
                if step == 3 and seed == victim and not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().act(env, obs, step)

        return Mortal(env)

    return make


def test_a_lost_worker_loses_no_episode(workers, tmp_path):
    seeds, config = range(1_000_000, 1_000_007), RolloutConfig(2, 0)
    marker = tmp_path / "died"
    how = {"source": "expert", "policy": None, "make_actor": dies_once(marker, seeds[2])}
    ours = list(collect_afield(workers, "Reach", seeds, config, **how))
    assert marker.exists(), "nobody died"
    theirs = list(collect("Reach", seeds, config, **how))
    assert [e.info["seed"] for e in ours] == list(seeds)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.info, one.instruction) == (other.info, other.instruction)
        assert one.columns.keys() == other.columns.keys()
        for name, column in one.columns.items():
            assert np.array_equal(column, other.columns[name]), name


def test_errors_of_a_piece_are_its_own_and_a_deadly_piece_ends(workers):
    def refuses(number):
        raise ActionError(f"no {number}")

    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ActionError, match="no 3"):
        list(workers.map(refuses, [(3,)]))
    with pytest.raises(OctoworldError, match="lost its worker 4 times"):
        list(workers.map(dies, [()]))


@pytest.mark.slow
def test_the_commands_give_the_same_as_without_workers(tmp_path, capsys):
    pytest.importorskip("ray")
    evaluated, recorded = {}, {}
    for name, more in (("here", []), ("afield", ["--cluster", "local:2"])):
        out = tmp_path / f"{name}.json"
        argv = ["eval", CONTROLLER, "--episodes", "5", "--num-envs", "2", "--out", str(out)]
        assert main([*argv, *more]) == 0
        evaluated[name] = read_json(out)["outcomes"]
        folder = tmp_path / name
        argv = ["collect", "Reach", "--episodes", "3", "--num-envs", "2", "--out", str(folder)]
        assert main([*argv, *more]) == 0
        recorded[name] = [e.columns["action"] for e in Dataset(folder).load_all()]
    assert evaluated["here"] == evaluated["afield"]
    for one, other in zip(recorded["here"], recorded["afield"], strict=True):
        assert np.array_equal(one, other)
    capsys.readouterr()
    argv = ["collect", "Reach", "--out", str(tmp_path / "t"), "--teleop", "--cluster", "local:2"]
    assert main(argv) == 2
    assert "--cluster is for the roll-outs" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["local:0", "local:many"])
def test_no_workers_is_one_line(address):
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="local:N with N >= 1"), cluster(address):
        pass
