"""The one supervised training loop: seeded by step, checkpointed, resumed to the same bits.

Every batch and every noise draw comes from a generator made from (seed, label, step), so a run
that was killed and resumed at step k sees what it would have seen had it not been killed.
Under `torchrun` every process computes a share of the batch and all step by the mean gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import to_dict
from .early_stop import Check, Watch
from .errors import CheckpointError, DivergenceError
from .io import load_tensors, read_json, save_tensors, write_json
from .log import MetricsLog, Progress, read_metrics
from .parallel import Share
from .rng import torch_generator

if TYPE_CHECKING:
    import torch

HOW = "fit.json"
ANY_TIME = ("log_every", "checkpoint_every")
"""What may change when a run is resumed."""
LossFn = Callable[[int, "torch.Generator"], Mapping[str, "torch.Tensor"]]


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast to train."""

    steps: int = 1000
    """Optimiser steps."""
    batch_size: int = 64
    """Samples a step (read by the loss function's owner)."""
    learning_rate: float = 1e-3
    """Peak rate of AdamW, after the warm-up."""
    weight_decay: float = 1e-4
    """Decoupled weight decay on matrices; biases and gains are left alone."""
    warmup_steps: int = 50
    """Steps of linear warm-up; a cosine to a tenth of the peak follows."""
    max_grad_norm: float = 1.0
    """Gradient clipping, global norm."""
    ema_decay: float = 0.0
    """Decay of the averaged weights that are kept at the end; 0 keeps the raw ones."""
    log_every: int = 50
    """Steps between metric rows."""
    checkpoint_every: int = 200
    """Steps between checkpoints; a killed run loses at most this many."""


def learning_rate_at(step: int, config: FitConfig) -> float:
    """Linear warm-up, then a cosine from the peak to a tenth of it."""
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    progress = min(1.0, step / max(config.steps, 1))
    return config.learning_rate * warm * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))


def fit(
    model: torch.nn.Module,
    loss_fn: LossFn,
    config: FitConfig,
    folder: Path | str,
    *,
    seed: int,
    label: str,
    check: Check | None = None,
) -> dict[str, float]:
    """Minimise `loss_fn(step, generator)["loss"]`; returns the last metrics.

    Args:
        model: trained in place; at the end it holds the averaged weights if `ema_decay > 0`.
        loss_fn: returns named scalar tensors, among them `loss`. All randomness must come from
            the generator it is given. With several processes it must give losses of this one's
            share of the batch, whose mean over the processes is that of the batch.
        config: steps, rates, and how often to log and save.
        folder: where `state.safetensors` (weights, optimiser, step), `metrics.jsonl` and `fit.json`
            (how it is trained) go, written by process 0. An unfinished state there is resumed.
        seed: root of the run's random streams.
        label: name of the stream and of the progress line.
        check: looks at the averaged weights now and then; the model then ends with the best ones
            seen, and training may end early. With several processes each must find the same score.

    Raises:
        CheckpointError: the state in `folder` is damaged, of another model, or was made by another
            config or seed.
        DivergenceError: a loss or the gradient is not finite; the last checkpoint is from before.
    """
    import torch

    folder, share = Path(folder), Share.current()
    optimizer = torch.optim.AdamW(_param_groups(model, config), lr=config.learning_rate, eps=1e-8)
    ema = {k: v.detach().clone() for k, v in model.named_parameters()}
    path = folder / "state.safetensors"
    _check_same_run(folder, config, seed, label)
    start = _restore(path, model, optimizer, ema) if path.exists() else 0
    if share.rank == 0 and not start:
        write_json(folder / HOW, _how(config, seed, label))
    log = MetricsLog(folder, resume_step=start if start else None) if share.rank == 0 else None
    rows = read_metrics(log.path) if log is not None else []
    metrics = {k: v for row in rows for k, v in row.items() if k != "step"}
    watch = Watch(check, folder, start, share.rank == 0) if check is not None else None
    model.train()
    with Progress(label, config.steps, start) as progress:
        for step in range(start, config.steps):
            if watch is not None and watch.is_over:
                break
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, config)
            generator = torch_generator(seed, label, step)
            torch.manual_seed(generator.initial_seed() % 2**63)  # dropout draws from the global one
            losses = loss_fn(step, generator)
            optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            share.average_gradients(model.parameters())
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            if config.ema_decay > 0:
                # short runs: the average may not remember the random start
                decay = min(config.ema_decay, (1 + step) / (10 + step))
                with torch.no_grad():
                    for name, value in model.named_parameters():
                        ema[name].lerp_(value, 1 - decay)
            done = step + 1
            if done % config.log_every == 0 or done == config.steps:
                metrics = {f"{label}/{k}": v for k, v in share.average(losses).items()}
                metrics[f"{label}/grad_norm"] = float(norm)
                _check_finite(metrics, step)
                if log is not None:
                    log.write(step, metrics)
                    progress.update(done, f"loss {metrics[f'{label}/loss']:.4f}")
            if watch is not None and watch.is_due(done, config.steps):
                looked = watch.look(model, ema if config.ema_decay > 0 else None, done)
                looked = {f"{label}/{k}": v for k, v in looked.items()}
                _check_finite(looked, step)
                metrics |= looked
                if log is not None:
                    log.write(step, looked)
            over = done == config.steps or (watch is not None and watch.is_over)
            if done % config.checkpoint_every == 0 or over:
                _check_finite({f"{label}/grad_norm": float(norm)}, step)
                if share.rank == 0:
                    _save(path, model, optimizer, ema, done)
    if log is not None:
        log.close()
    share.wait()
    if watch is not None and watch.looks:
        watch.restore_best(model)
    elif config.ema_decay > 0:
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(ema[name])
    model.eval()
    return metrics


def _how(config: FitConfig, seed: int, label: str) -> dict[str, Any]:
    """All that a run's course depends on."""
    told = {"label": label, "seed": seed, **to_dict(config)}
    return {name: value for name, value in told.items() if name not in ANY_TIME}


def _check_same_run(folder: Path, config: FitConfig, seed: int, label: str) -> None:
    """CheckpointError where `folder` holds the state of a run that is trained otherwise."""
    if not (folder / HOW).exists() or not (folder / "state.safetensors").exists():
        return
    was, now = read_json(folder / HOW), _how(config, seed, label)
    changed = [f"{k} = {was.get(k)}, not {v}" for k, v in now.items() if was.get(k) != v]
    if changed:
        raise CheckpointError(
            f"{folder} holds a run that was started with {'; '.join(changed)}: use another run "
            "folder or the config it was started with"
        )


def _check_finite(metrics: Mapping[str, float], step: int) -> None:
    # at log and checkpoint steps only: asking each step would stall an accelerator
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise DivergenceError(
                f"{name} is {value} at step {step}: lower learning_rate or max_grad_norm, or look "
                "for bad values in the data"
            )


def _param_groups(model: torch.nn.Module, config: FitConfig) -> list[dict]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _save(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: dict[str, torch.Tensor],
    step: int,
) -> None:
    import torch

    tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema/{k}": v for k, v in ema.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
    tensors["step"] = torch.tensor(step)
    save_tensors(path, tensors)


def _restore(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: dict[str, torch.Tensor],
) -> int:
    tensors = load_tensors(path)
    weights = {k[6:]: v for k, v in tensors.items() if k.startswith("model/")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} was made for another model ({str(error).splitlines()[0]}); "
            "use another run folder or the config it was started with"
        ) from None
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/", 2)
            state.setdefault(int(index), {})[name] = value
        elif key.startswith("ema/"):
            ema[key[4:]].copy_(value)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return int(tensors["step"])
