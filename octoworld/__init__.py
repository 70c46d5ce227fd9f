"""octoworld: robot controllers, VLA policies and world models, trained in simulation.

The public face; everything else is imported when it is first used.

    import octoworld
    envs = octoworld.make_vec("PickUp", num_envs=16, obs_mode="vision")
    env = gymnasium.make("octoworld/PickUp-v0")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .core.shadow import check_shadows

if TYPE_CHECKING:
    from .facade import (
        list_backends,
        list_benches,
        list_policies,
        list_robots,
        list_tasks,
        list_world_models,
        load_policy,
        load_world_model,
        make,
        make_isaac,
        make_vec,
    )

__all__ = [
    "__version__",
    "list_backends",
    "list_benches",
    "list_policies",
    "list_robots",
    "list_tasks",
    "list_world_models",
    "load_policy",
    "load_world_model",
    "make",
    "make_isaac",
    "make_vec",
]
__version__ = "0.1.0"
__suite__ = "octoworld"

check_shadows()  # before anything else of ours is found in the wrong place

from .ids import register_ids  # noqa: E402

register_ids()


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import facade

        return getattr(facade, name)
    raise AttributeError(f"module 'octoworld' has no attribute {name!r}; it has {__all__}")


def __dir__() -> list[str]:
    return __all__
