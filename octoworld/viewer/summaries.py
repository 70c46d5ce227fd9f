"""One line an episode, for the chooser: how it ended, what it earned, what was asked."""

from __future__ import annotations

import numpy as np

from octoworld.data.reader import Dataset

from .recording import REWARD, SUCCESS


def episode_labels(dataset: Dataset) -> tuple[str, ...]:
    """Labels such as `003 success, return 12.30, pick up the red block`; no video is decoded."""
    known = [c for c in (REWARD, SUCCESS) if c in dataset.features]
    endings: list[list[str]] = [[] for _ in dataset.episodes]
    if known:
        for parts, episode in zip(endings, dataset.load_all(known, []), strict=True):
            if SUCCESS in known:
                # the last step counts, not "ever"
                parts.append("success" if np.ravel(episode[SUCCESS])[-1] else "failure")
            if REWARD in known:
                parts.append(f"return {float(np.sum(episode[REWARD])):.2f}")
    return tuple(
        f"{meta.index:03d} " + ", ".join([*parts, meta.instruction])
        for meta, parts in zip(dataset.episodes, endings, strict=True)
    )
