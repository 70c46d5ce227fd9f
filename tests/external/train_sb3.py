"""Stable-Baselines3's PPO or SAC on `Hover`, without octoworld's trainer.

.venv/bin/python tests/external/train_sb3.py [TASK] [ppo | sac] [STEPS]
"""

import sys

import torch
from stable_baselines3 import PPO, SAC
from success import success

import octoworld
from octoworld.rl.adapters.sb3 import Sb3VecEnv


def main(task: str = "Hover", algo: str = "ppo", steps: str = "1000000") -> None:
    if algo == "ppo":
        env = Sb3VecEnv(octoworld.make_vec(task, num_envs=128))
        model = PPO(
            "MlpPolicy",
            env,
            n_steps=32,
            batch_size=1024,
            n_epochs=5,
            learning_rate=1e-3,
            policy_kwargs={"log_std_init": -0.9},
            verbose=1,
        )
    else:
        env = Sb3VecEnv(octoworld.make_vec(task, num_envs=16))
        model = SAC("MlpPolicy", env, gradient_steps=8, learning_rate=1e-3, verbose=1)
    model.learn(int(steps))
    success(task, lambda obs: torch.as_tensor(model.predict(obs.numpy(), deterministic=True)[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
