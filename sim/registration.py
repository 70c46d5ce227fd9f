"""Ids in gymnasium's registry. Imports no environment, so that `import octoworld` stays light."""

from __future__ import annotations

from collections.abc import Iterable

import gymnasium


def register_gymnasium(
    names: Iterable[str], entry_point: str, vector_entry_point: str, namespace: str = "octoworld"
) -> list[str]:
    """Register `<namespace>/<Name>-v0` for each task with gymnasium; returns the ids.

    Args:
        names: task names; each is passed to the entry points as `task`.
        entry_point: "module:function" that makes a `gymnasium.Env`.
        vector_entry_point: "module:function" that makes a `VecEnv`.
        namespace: first part of the ids.
    """
    ids = []
    for name in names:
        ids.append(f"{namespace}/{name}-v0")
        if ids[-1] not in gymnasium.registry:
            gymnasium.register(
                ids[-1], entry_point=entry_point, vector_entry_point=vector_entry_point,
                kwargs={"task": name},
            )  # fmt: skip
    return ids
