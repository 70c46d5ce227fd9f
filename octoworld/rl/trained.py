"""Trained: what of a large pretrained model a run changes, and so has to keep."""

from __future__ import annotations

from typing import Any

from torch import nn


class Trained(nn.Module):
    """The weights of a module that are trained, and no others; in all else it is that module.

    So neither a run's state nor an average of weights holds billions that never change.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._whole = [module]  # in a list, which torch does not look into
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                self.register_parameter(name.replace(".", "/"), parameter)

    def train(self, mode: bool = True) -> Trained:
        """Put the whole module into that mode."""
        self._whole[0].train(mode)
        return super().train(mode)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_whole"][0], name)
