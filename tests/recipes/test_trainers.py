"""Other libraries' PPO on our worlds: it runs, resumes, and its actor becomes our Controller."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.log import read_metrics
from octoworld.recipes.fly import TrainConfig, default_config, train
from octoworld.recipes.stages import Run

TRAINERS = ("rsl_rl", "skrl", "rl_games")


def config(trainer, **changes):
    pytest.importorskip(trainer)
    small = {
        "num_envs": 8, "total_steps": 2048, "eval_every": 1024, "eval_episodes": 4,
        "test_episodes": 4, "hidden": (16,), "options": {"rollout": 32},
        "env": {"max_episode_length": 40},
    }  # fmt: skip
    return default_config("Hover1D", "ppo", trainer=trainer, **(small | changes))


@pytest.mark.slow
@pytest.mark.parametrize("trainer", TRAINERS)
def test_it_trains_and_resumes(trainer, tmp_path):
    run = Run.create(tmp_path / "run", config(trainer))
    outcome = train(run)
    assert outcome["trainer"] == trainer and outcome["stopped"] == "total_steps"
    assert outcome["steps"] >= 2048 and 0 <= outcome["test"]["success"] <= 1
    rows = read_metrics(run.path("metrics.jsonl"))
    assert len(rows) == 2 and "eval/success" in rows[-1]
    longer = Run.create(tmp_path / "longer", config(trainer, total_steps=1024))
    train(longer)
    longer.path("outcome.json").unlink()
    text = longer.path("config.yaml").read_text()
    longer.path("config.yaml").write_text(text.replace("total_steps: 1024", "total_steps: 2048"))
    resumed = train(Run.resume(longer.folder, TrainConfig))
    assert resumed["steps"] == outcome["steps"]
    assert len(read_metrics(longer.path("metrics.jsonl"))) == 2


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_controller_acts_as_the_librarys_own_actor(trainer, normalize):
    from gymnasium.vector import AutoresetMode

    from octoworld.recipes.fly.trainers.loop import trainer_class
    from octoworld.recipes.fly.training import task_maker

    settings = config(trainer, normalize_obs=normalize)
    worlds = task_maker(settings)(8, AutoresetMode.SAME_STEP)
    learner = trainer_class(trainer)(settings, worlds, 3)
    learner.learn(2, 5)
    controller = learner.controller()
    obs = torch.from_numpy(worlds.reset(seed=9)[0])
    ours = controller.act({"observation.state": obs}).actions[:, 0]
    theirs = _mean_action(trainer, learner, obs)
    torch.testing.assert_close(ours, theirs.clamp(-1, 1), atol=2e-4, rtol=1e-3)
    assert float(theirs.std()) > 1e-4
    worlds.close()


def _mean_action(trainer, learner, obs):
    with torch.inference_mode():
        if trainer == "rsl_rl":
            from tensordict import TensorDict

            learner.runner.alg.eval_mode()
            return learner.runner.alg.actor(TensorDict({"policy": obs}, batch_size=[len(obs)]))
        if trainer == "skrl":
            agent = learner.agent
            seen = agent._observation_preprocessor(obs)
            return learner.models["policy"].compute({"observations": seen})[0]
        agent = learner.agent
        agent.set_eval()
        return agent.model({"is_train": False, "obs": obs, "prev_actions": None})["mus"]


def test_what_a_trainer_cannot_do_is_told():
    with pytest.raises(UnknownNameError, match="rsl_rl"):
        default_config("Hover", "ppo", trainer="rllib")
    with pytest.raises(ConfigError, match="has ppo, not sac"):
        default_config("Hover", "sac", trainer="skrl")
    with pytest.raises(ConfigError, match="no such setting"):
        default_config("Hover", "ppo", trainer="skrl", bounded_mean=True)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_unknown_option_is_told(trainer, tmp_path):
    run = Run.create(tmp_path / "run", config(trainer, options={"mini_batchs": 3}))
    with pytest.raises(ConfigError, match="mini_batchs"):
        train(run)


def test_rsl_rl_spreads_the_first_timeouts():
    pytest.importorskip("rsl_rl")
    import octoworld
    from octoworld.rl.adapters.rsl_rl import RslRlVecEnv

    env = RslRlVecEnv(octoworld.make_vec("Hover", 4, max_episode_length=10))
    env.episode_length_buf = torch.tensor([0, 3, 6, 9])
    _, rewards, dones, extras = env.step(torch.zeros(4, env.num_actions))
    assert dones.tolist() == [False, False, False, True]
    assert extras["time_outs"].tolist() == [False, False, False, True]
    assert rewards.dtype == torch.float32 and env.episode_length_buf.tolist() == [1, 4, 7, 0]


def test_skrl_starts_worlds_once():
    pytest.importorskip("skrl")
    import octoworld
    from octoworld.rl.adapters.skrl import SkrlVecEnv

    env = SkrlVecEnv(octoworld.make_vec("Hover", 3), seed=4)
    first, _ = env.reset()
    obs, reward, terminated, _, _ = env.step(torch.zeros(3, 4))
    assert reward.shape == terminated.shape == (3, 1)
    assert torch.equal(env.reset()[0], obs) and not torch.equal(first, obs)
    env.restart(4)
    assert torch.equal(env.reset()[0], first)
    assert np.array_equal(first, octoworld.make_vec("Hover", 3).reset(seed=4)[0])
