"""Hold parts of a policy still while others learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from octoworld.core.errors import ConfigError

PERCEPTION = (
    "text", "stem", "patch_positions", "camera_embedding", "keypoint_token",
    "keypoint_positions", "text_token", "state_token", "readout", "perception", "privileged_head",
)  # fmt: skip
"""Parts of the tiny policy that see, hear and feel, up to the estimate of the true state."""


@contextmanager
def frozen(policy: nn.Module, prefixes: Sequence[str]) -> Iterator[None]:
    """Hold the parameters whose names begin with a prefix, for the length of the block.

    Raises:
        ConfigError: a prefix names nothing, or nothing is left to train.
    """
    names = [name for name, _ in policy.named_parameters()]
    parts = sorted({name.split(".")[0] for name in names})
    for prefix in prefixes:
        if not any(_is_part(name, prefix) for name in names):
            raise ConfigError(
                f"frozen: the policy has no part {prefix!r}; it has {', '.join(parts)}"
            )
    held = [
        parameter
        for name, parameter in policy.named_parameters()
        if parameter.requires_grad and any(_is_part(name, prefix) for prefix in prefixes)
    ]
    if len(held) == sum(p.requires_grad for p in policy.parameters()):
        raise ConfigError(f"frozen: {', '.join(prefixes)} leaves nothing to train")
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _is_part(name: str, prefix: str) -> bool:
    # "text" is the part `text`, not `text_token`
    return name == prefix or name.startswith(f"{prefix}.")
