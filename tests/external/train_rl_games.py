"""rl_games' own runner on `Hover`, through the Isaac Gym face, without octoworld's trainer.

Where octoworld[rl] is installed: .venv/bin/python tests/external/train_rl_games.py [TASK] [EPOCHS]
"""

import sys

from rl_games.torch_runner import Runner
from success import success

import octoworld
from octoworld.rl.adapters.rl_games import register


def main(task: str = "Hover", epochs: int = 250) -> None:
    env = octoworld.make_isaac(task, num_envs=128)
    runner = Runner()
    runner.load(
        {
            "params": {
                "seed": 1,
                "algo": {"name": "a2c_continuous"},
                "model": {"name": "continuous_a2c_logstd"},
                "network": {
                    "name": "actor_critic",
                    "separate": True,
                    "space": {
                        "continuous": {
                            "mu_activation": "None",
                            "sigma_activation": "None",
                            "mu_init": {"name": "default"},
                            "sigma_init": {"name": "const_initializer", "val": -0.9},
                            "fixed_sigma": True,
                        }
                    },
                    "mlp": {
                        "units": [64, 64],
                        "activation": "tanh",
                        "initializer": {"name": "default"},
                        "regularizer": {"name": "None"},
                    },
                },
                "config": {
                    "name": task,
                    "env_name": register(env),
                    "train_dir": "runs/rl_games",
                    "device": "cpu",
                    "device_name": "cpu",
                    "ppo": True,
                    "normalize_input": False,
                    "normalize_value": True,
                    "value_bootstrap": True,
                    "num_actors": env.num_envs,
                    "reward_shaper": {"scale_value": 1.0},
                    "normalize_advantage": True,
                    "gamma": 0.99,
                    "tau": 0.95,
                    "learning_rate": 1e-3,
                    "lr_schedule": "adaptive",
                    "schedule_type": "standard",
                    "kl_threshold": 0.008,
                    "max_epochs": epochs,
                    "grad_norm": 1.0,
                    "truncate_grads": True,
                    "entropy_coef": 0.0,
                    "e_clip": 0.2,
                    "clip_value": True,
                    "horizon_length": 32,
                    "minibatch_size": 1024,
                    "mini_epochs": 5,
                    "critic_coef": 2,
                    "bounds_loss_coef": 0.0001,
                },
            }
        }
    )
    agent = runner.algo_factory.create(runner.algo_name, base_name="run", params=runner.params)
    agent.train()
    success(task, lambda obs: agent.model.a2c_network({"obs": obs})[0])


if __name__ == "__main__":
    task, *rest = sys.argv[1:] or ["Hover"]
    main(task, *(int(n) for n in rest))
