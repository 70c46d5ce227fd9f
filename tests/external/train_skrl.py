"""skrl's own PPO on `Hover`, without octoworld's trainer: the shortest script.

Where octoworld[rl] is installed: .venv/bin/python tests/external/train_skrl.py [TASK] [STEPS]
"""

import sys

import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.trainers.torch import SequentialTrainer
from success import success
from torch import nn

import octoworld
from octoworld.rl.adapters.skrl import SkrlVecEnv


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
    )


class Actor(GaussianMixin, Model):
    def __init__(self, env):
        Model.__init__(
            self,
            observation_space=env.observation_space,
            action_space=env.action_space,
            device=env.device,
        )
        GaussianMixin.__init__(self)
        self.net = mlp(self.num_observations, self.num_actions)
        self.log_std = nn.Parameter(torch.full((self.num_actions,), -0.9))

    def compute(self, inputs, role=""):
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Critic(DeterministicMixin, Model):
    def __init__(self, env):
        Model.__init__(
            self,
            observation_space=env.observation_space,
            action_space=env.action_space,
            device=env.device,
        )
        DeterministicMixin.__init__(self)
        self.net = mlp(self.num_observations, 1)

    def compute(self, inputs, role=""):
        return self.net(inputs["observations"]), {}


def main(task: str = "Hover", steps: int = 1_000_000) -> None:
    torch.manual_seed(0)
    env = SkrlVecEnv(octoworld.make_vec(task, num_envs=128))
    settings = PPO_CFG(rollouts=32, learning_epochs=5, mini_batches=4, time_limit_bootstrap=True)
    settings.experiment.write_interval = settings.experiment.checkpoint_interval = 0
    agent = PPO(
        models={"policy": Actor(env), "value": Critic(env)},
        memory=RandomMemory(memory_size=32, num_envs=env.num_envs, device=env.device),
        observation_space=env.observation_space,
        action_space=env.action_space,
        device=env.device,
        cfg=settings,
    )
    trainer = SequentialTrainer(
        env=env, agents=agent, cfg={"timesteps": steps // env.num_envs, "headless": True}
    )
    trainer.train()
    actor = agent.models["policy"]
    success(task, lambda obs: actor.compute({"observations": obs})[0])


if __name__ == "__main__":
    task, *rest = sys.argv[1:] or ["Hover"]
    main(task, *(int(n) for n in rest))
