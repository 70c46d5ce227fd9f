"""Model card of an `hf` policy, written from the facts of the run that trained it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from octoworld.core.config import from_dict
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.io import read_json, write_json, write_text

from .config import HfConfig


@dataclass(frozen=True)
class Success:
    """Success rate of the policy in one task."""

    task: str
    """Registered name."""
    rate: float
    """In [0, 1]."""
    interval: tuple[float, float]
    """Its 95 % interval."""
    episodes: int
    """Test episodes."""


@dataclass(frozen=True)
class RunFacts:
    """What is known of a training run; empty fields are said to be unknown."""

    datasets: tuple[str, ...] = ()
    """Names of the data sets."""
    episodes: int = 0
    """Demonstrations."""
    frames: int = 0
    """Frames of them that were learnt from."""
    steps: int = 0
    """Optimiser steps."""
    batch_size: int = 0
    """Frames a step."""
    seed: int = 0
    """Of the run."""
    base_licence: str = ""
    """Licence of the pretrained model, as its card says."""
    success: tuple[Success, ...] = ()
    """One for each task that was evaluated."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, path: Path) -> RunFacts:
        """From plain values; raises CheckpointError when they are not what `to_json` gave."""
        try:
            return from_dict(cls, values)
        except (ConfigError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); restore or re-create it") from None


def base_licence(model: str, revision: str = "") -> str:
    """Licence in the header of a pretrained model's card on this disk; "" if it is not known."""
    from transformers.utils import cached_file

    path = cached_file(
        model,
        "README.md",
        revision=revision or None,
        local_files_only=True,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    if path is None:
        return ""
    parts = Path(path).read_text(errors="replace").split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return ""
    try:
        header = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return ""
    licence = header.get("license") if isinstance(header, dict) else None
    return licence if isinstance(licence, str) else ""


def record_success(folder: Path | str, success: Success) -> None:
    """Add what an evaluation found to the card of the policy saved in `folder`.

    Raises:
        CheckpointError: there is no card, or it is damaged.
    """
    from ..checkpoint import read_config

    folder = Path(folder)
    facts = RunFacts.from_json(read_json(folder / "card.json"), folder / "card.json")
    others = tuple(s for s in facts.success if s.task != success.task)
    facts = replace(facts, success=(*others, success))
    config = read_config(folder, "hf", HfConfig)
    old = (folder / "README.md").read_text() if (folder / "README.md").exists() else ""
    line = next((row for row in old.splitlines() if row.startswith(_TRAINED)), "")
    write_json(folder / "card.json", facts.to_json())
    write_text(folder / "README.md", _render(config, facts, line))


def render(config: HfConfig, facts: RunFacts, parameters: tuple[int, int]) -> str:
    """`README.md`: a header for the hub, and what was done, in words.

    Args:
        config: of the policy.
        facts: of its run.
        parameters: weights that were trained, and all.
    """
    trained, total = parameters
    share = 100 * trained / max(total, 1)
    return _render(config, facts, f"{_TRAINED} {trained:,} of {total:,} ({share:.2f} %)")


_TRAINED = "- trained weights:"


def _render(config: HfConfig, facts: RunFacts, parameters: str) -> str:
    is_local = Path(config.model).is_dir()
    header: dict[str, Any] = {
        "library_name": "octoworld",
        "pipeline_tag": "robotics",
        "tags": ["vision-language-action", "robotics", config.head],
    }
    if not is_local:
        header["base_model"] = config.model
    if facts.base_licence:
        header["license"] = facts.base_licence
    tuning = {
        "lora": f"LoRA on the language model, rank {config.lora_rank}, alpha {config.lora_alpha}",
        "full": "all weights of the language model",
        "frozen": "the action expert alone",
    }[config.tune]
    head = {
        "tokens": f"`tokens`: {config.bins} bins a dimension, said as words",
        "flow": f"`flow`: flow-matching expert, {config.flow_steps} Euler steps",
    }[config.head]
    unknown = "not recorded"
    rows = [
        f"- pretrained model: {config.model}"
        + (f" at revision {config.revision}" if config.revision else ""),
        f"- licence of the pretrained model: {facts.base_licence or 'not known; see its own card'}",
        f"- trained: {tuning}{', and the vision tower' if config.tune_vision else ''}",
        *([parameters] if parameters else []),
        f"- action head: {head}; chunks of {config.chunk_size} actions",
        f"- robot and control mode: {config.robot or unknown}, {config.control_mode or unknown}",
        f"- cameras: {', '.join(config.cameras)}",
        f"- prompt: `{config.template}`",
        f"- data sets: {', '.join(facts.datasets) or unknown}"
        + (f" ({facts.episodes} episodes, {facts.frames} frames)" if facts.episodes else ""),
        f"- training: {facts.steps} steps of {facts.batch_size} frames, seed {facts.seed}"
        if facts.steps
        else "- training: none",
    ]
    results = ["Not evaluated."]
    if facts.success:
        results = ["| task | success | 95 % interval | episodes |", "|---|---|---|---|"]
        results += [
            f"| {s.task} | {100 * s.rate:.1f} % | [{100 * s.interval[0]:.1f}, "
            f"{100 * s.interval[1]:.1f}] | {s.episodes} |"
            for s in facts.success
        ]
    usage = (
        "```python\nfrom vla.checkpoint import load_policy\n\n"
        'policy = load_policy("THIS_FOLDER")\nchunk = policy.act(obs, instructions)\n```'
    )
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# {Path(config.model).name} as a robot policy",
        "\n".join(rows),
        "## Success in simulation",
        "\n".join(results),
        "## Use",
        usage,
    ]
    return "\n\n".join(parts) + "\n"
