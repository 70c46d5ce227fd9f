"""rsl_rl's own runner on `Hover`, without octoworld's trainer.

With octoworld[rl]: .venv/bin/python tests/external/train_rsl_rl.py [TASK] [ITERATIONS]
"""

import sys

import torch
from rsl_rl.runners import OnPolicyRunner
from success import success
from tensordict import TensorDict

import octoworld
from octoworld.rl.adapters.rsl_rl import RslRlVecEnv


def main(task: str = "Hover", iterations: int = 250) -> None:
    torch.manual_seed(0)
    env = RslRlVecEnv(octoworld.make_vec(task, num_envs=128))
    network = {"class_name": "MLPModel", "hidden_dims": [64, 64], "activation": "tanh"}
    noise = {"class_name": "GaussianDistribution", "init_std": 0.4}
    settings = {
        "num_steps_per_env": 32,
        "save_interval": 10**9,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "actor": {**network, "distribution_cfg": noise},
        "critic": network,
        # with rsl_rl's own entropy bonus of 0.01 noise stays on the rotors
        "algorithm": {"class_name": "PPO", "entropy_coef": 0.0},
    }
    runner = OnPolicyRunner(env, settings, log_dir=None)
    runner.learn(iterations)
    actor = runner.get_inference_policy()
    success(task, lambda obs: actor(TensorDict({"policy": obs}, [len(obs)])))


if __name__ == "__main__":
    task, *rest = sys.argv[1:] or ["Hover"]
    main(task, *(int(n) for n in rest))
