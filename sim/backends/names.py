"""Names -> indices of a MuJoCo model, looked up once each."""

# pyright: reportAttributeAccessIssue=false
# (mujoco is a C extension without type stubs)

from __future__ import annotations

from typing import Any

import mujoco
from numpy.typing import NDArray

from octoworld.core.errors import UnknownNameError

_COUNTS = {"body": "nbody", "site": "nsite", "joint": "njnt", "geom": "ngeom", "camera": "ncam"}


class Names:
    """The named objects of one model. Unknown names raise UnknownNameError with the choices."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        self._cache: dict[Any, Any] = {}

    def all(self, kind: str) -> list[str]:
        """Names of every "body", "site", "joint", "geom" or "camera"."""
        view = getattr(self.model, kind)
        return [view(i).name for i in range(getattr(self.model, _COUNTS[kind]))]

    def index(self, kind: str, name: str) -> int:
        """Index of the object of that kind."""
        if kind not in self._cache:  # all of a kind at once: scenes have hundreds of geoms
            self._cache[kind] = {known: i for i, known in enumerate(self.all(kind))}
        if name not in self._cache[kind]:
            raise UnknownNameError(kind, name, self._cache[kind])
        return self._cache[kind][name]

    def frame(self, name: str) -> tuple[bool, int]:
        """Whether `name` is a site (and not a body), and its index."""
        key = ("frame", name)
        if key not in self._cache:
            bodies, sites = self.all("body"), self.all("site")
            if name not in bodies and name not in sites:
                raise UnknownNameError("body or site", name, [*bodies, *sites])
            is_site = name not in bodies
            self._cache[key] = (is_site, self.index("site" if is_site else "body", name))
        return self._cache[key]

    def joints(self, names: tuple[str, ...]) -> tuple[NDArray, NDArray]:
        """Addresses of the joints in qpos and in qvel."""
        key = ("joints", names)
        if key not in self._cache:
            ids = [self.index("joint", n) for n in names]
            self._cache[key] = (self.model.jnt_qposadr[ids], self.model.jnt_dofadr[ids])
        return self._cache[key]
