"""AgentView: what adapters ask of environments in whose worlds several agents act."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from octoworld.core.errors import ConfigError
from sim.vec_env import VecEnv


class AgentView(Protocol):
    """The A agents of each of N worlds; actions of a team lie side by side, (N, A * K)."""

    num_agents: int
    """A."""
    obs_dim: int
    """D, length of an agent's observation."""
    proprio_dim: int
    """P, how much of it the agent feels itself; the rest is privileged."""
    action_dim: int
    """K, length of an agent's action."""

    def split(self, obs: NDArray) -> NDArray:
        """A team's observations (N, A * D) as its agents', (N, A, D)."""
        ...

    def rewards(self) -> NDArray:
        """Of the last step, (N, A)."""
        ...

    def failures(self) -> NDArray:
        """Agents that have failed by the last step, (N, A) bool."""
        ...


def agents_of(env: VecEnv) -> AgentView:
    """The agents of `env`; ConfigError where it has no `team`."""
    view: Any = getattr(env, "team", None)
    if view is None:
        raise ConfigError(f"{type(env).__name__} has no team: only task environments tell agents")
    return view
