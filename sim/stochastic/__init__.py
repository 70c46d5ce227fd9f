"""Stochastic worlds after STORI's taxonomy, as composable seeded layers over any VecEnv."""

from .effects import EFFECTS, Effect
from .env import StochasticEnv
from .spec import parse

__all__ = ["EFFECTS", "Effect", "StochasticEnv", "parse"]
