"""Stochastic worlds after STORI's taxonomy, as composable seeded layers over any VecEnv."""

from .effects import Effect
from .env import StochasticEnv
from .spec import TYPES, parse

__all__ = ["TYPES", "Effect", "StochasticEnv", "parse"]
