"""Other libraries' own PPO on our worlds: `octoworld train --trainer skrl | rsl_rl | rl_games`."""

from .loop import train_stock

__all__ = ["train_stock"]
