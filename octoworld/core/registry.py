"""Registries: one name, one thing; members are found lazily, plugins by entry point."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from .errors import ConfigError, UnknownNameError

T = TypeVar("T")
PLUGIN_GROUP = "octoworld.plugins"
_plugins_loaded = False


def load_plugins() -> None:
    """Import every installed module of the entry point group `octoworld.plugins`, once."""
    global _plugins_loaded
    if not _plugins_loaded:
        _plugins_loaded = True
        for point in entry_points(group=PLUGIN_GROUP):
            point.load()


class Registry(Generic[T]):
    """Named members of one kind. `modules` are imported on the first look-up and register there.

    Importing on demand keeps `import octoworld` free of torch and of the engines.
    """

    def __init__(self, kind: str, modules: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._modules = modules
        self._members: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: add a member under `name`. Raises ConfigError when the name is taken."""

        def add(member: T) -> T:
            known = self._members.get(name)
            if known is not None and _origin(known) != _origin(member):
                raise ConfigError(f"{self.kind} {name!r} is already registered by {_origin(known)}")
            self._members[name] = member
            return member

        return add

    def get(self, name: str) -> T:
        """The member called `name`; raises UnknownNameError with the choices."""
        if name not in self._members:
            self._discover()
        if name not in self._members:
            raise UnknownNameError(self.kind, name, self._members)
        return self._members[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._discover()
        return sorted(self._members)

    def __contains__(self, name: str) -> bool:
        self._discover()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _discover(self) -> None:
        if not self._discovered:
            self._discovered = True  # before the imports, which may look names up themselves
            try:
                for module in self._modules:
                    importlib.import_module(module)
                load_plugins()
            except BaseException:
                self._discovered = False  # the next look-up fails with the cause, not the symptom
                raise


def _origin(member: object) -> str:
    return f"{getattr(member, '__module__', '?')}.{getattr(member, '__qualname__', member)}"


TASKS: Registry = Registry("task", ("tasks.manipulation", "tasks.drones"))
ROBOTS: Registry = Registry(
    "robot",
    (
        "robots.panda",
        "robots.mobile_panda",
        "robots.ur5e",
        "robots.so101",
        "robots.crazyflie",
        "robots.racer",
        "robots.quadrotor",
    ),
)
BACKENDS: Registry = Registry(
    "physics backend",
    (
        "sim.backends.mujoco",
        "sim.backends.mujoco_warp",
        "sim.backends.pybullet",
        "sim.backends.rotorcraft",
    ),
)
WORLD_MODELS: Registry = Registry(
    "world model", ("worldmodels.flow", "worldmodels.autoregressive", "worldmodels.pretrained")
)
POLICIES: Registry = Registry(
    "policy", ("vla.tiny", "vla.act", "vla.diffusion", "vla.hf", "vla.controller")
)
ESTIMATORS: Registry = Registry("advantage estimator", ("octoworld.rl.advantages",))
BENCHES: Registry = Registry(
    "bench",
    (
        "octoworld.recipes.experts_bench",
        "octoworld.recipes.drone_benches",
        "octoworld.recipes.flying_bench",
        "octoworld.recipes.camera_bench",
        "octoworld.recipes.hover_bench",
        "octoworld.recipes.robust_bench",
        "octoworld.recipes.elsewhere_benches",
        "octoworld.recipes.gpu_bench",
        "octoworld.recipes.foresight_bench",
        "octoworld.recipes.headline.bench",
        "octoworld.recipes.household_checker",
        "octoworld.recipes.household_physical",
        "octoworld.recipes.imagination_bench",
        "octoworld.recipes.octopus.bench",
        "octoworld.recipes.reflector.bench",
        "octoworld.recipes.rlir.bench",
        "octoworld.recipes.program_bench",
        "octoworld.recipes.soak_bench",
        "octoworld.recipes.suite.bench",
        "octoworld.recipes.suite.headroom",
        "octoworld.recipes.throughput_bench",
        "octoworld.recipes.trainers_bench",
        "octoworld.recipes.tripwire.bench",
        "octoworld.recipes.viewer_bench",
    ),
)
RECIPES: Registry = Registry("recipe", ("octoworld.recipes.worldenv",))
# beside a task: function (algo) -> fields of TrainConfig that suit it; imported with its family
TRAININGS: Registry = Registry("training default")

register_task = TASKS.register
register_robot = ROBOTS.register
register_backend = BACKENDS.register
register_world_model = WORLD_MODELS.register
register_policy = POLICIES.register
register_estimator = ESTIMATORS.register
register_bench = BENCHES.register
register_recipe = RECIPES.register
register_training = TRAININGS.register
