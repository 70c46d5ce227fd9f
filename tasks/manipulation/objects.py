"""Where the things on the table are, as one vector: what a world model is taught contact with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRIVILEGED = {
    "block_from_tool": slice(0, 3),
    "block_yaw": slice(3, 5),
    "block_velocity": slice(5, 8),
    "zone_from_block": slice(8, 11),
    "bin_from_block": slice(11, 14),
    "handle_from_tool": slice(14, 17),
    "opening": slice(17, 18),
    "grasped": slice(18, 19),
}
"""Columns of `TabletopTask.observe`'s `privileged` that name things; two aims follow."""
OBJECTS = {
    "block": slice(0, 3),
    "block_yaw": slice(3, 5),
    "drawer": slice(5, 6),
    "handle": slice(6, 8),
    "bin": slice(8, 10),
    "grasped": slice(10, 11),
    "block_from_tool": slice(11, 14),
    "handle_from_tool": slice(14, 17),
}
"""Columns of `object_state`: world position [m], cos and sin of 4 yaw, opening [m], world x and y
[m] twice, 1 while both fingers hold the block, and once more from the hand, where contact is [m].
"""


OBJECTS_DIM = 17
"""Numbers of `object_state`."""


def object_state(proprio: NDArray, privileged: NDArray) -> NDArray[np.float32]:
    """`OBJECTS` (T, 17) from a table-top task's proprioception (T, 8) and privileged columns."""
    told = {name: privileged[:, columns] for name, columns in PRIVILEGED.items()}
    tool = proprio[:, :3]
    block = tool + told["block_from_tool"]
    handle = (tool + told["handle_from_tool"])[:, :2]
    bins = (block + told["bin_from_block"])[:, :2]
    columns = (
        block, told["block_yaw"], told["opening"], handle, bins, told["grasped"],
        told["block_from_tool"], told["handle_from_tool"],
    )  # fmt: skip
    return np.concatenate(columns, axis=1, dtype=np.float32)
