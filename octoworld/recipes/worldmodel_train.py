"""A world model from recordings: autoencoder, tokenizer where codes are drawn, world model.

Run folder: `config.yaml`, `data.json` (robot and episodes), and `autoencoder/`, `tokenizer/`,
`worldmodel/` with weights, training state and metrics each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from octoworld.core.config import changed, load_config, save_config, to_dict
from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.fit import FitConfig
from octoworld.core.io import atomic_folder, read_json, write_json
from octoworld.core.parallel import Share
from octoworld.data.marks import episode_mark
from worldmodels.autoencoder import (
    AutoencoderConfig,
    FrameAutoencoder,
    encode_dataset,
    train_autoencoder,
)
from worldmodels.autoregressive import (
    AutoregressiveTrainConfig,
    AutoregressiveWorldModel,
    FrameTokenizer,
    TokenizerConfig,
    train_autoregressive,
    train_tokenizer,
)
from worldmodels.checkpoint import class_name, load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.flow import FlowTrainConfig, FlowWorldModel, train_flow
from worldmodels.latent_model import LatentWorldModel
from worldmodels.latent_train import same_weights

from .worldmodel_data import RobotFacts, facts_of, load_episodes, open_datasets

M = TypeVar("M", bound=LatentWorldModel)
P = TypeVar("P", FrameAutoencoder, FrameTokenizer)
WEIGHTS = "diffusion_pytorch_model.safetensors"


def _fit(steps: int, batch_size: int, rate: float) -> FitConfig:
    return FitConfig(
        steps=steps, batch_size=batch_size, learning_rate=rate, ema_decay=0.995,
        checkpoint_every=250,
    )  # fmt: skip


@dataclass(frozen=True)
class ImageConfig:
    """What comes before the world model."""

    image_size: int = 64
    """Side of the squares to which frames are brought [pixel], a multiple of 16."""
    cameras: tuple[str, ...] = ()
    """Cameras, in the order of their tokens; none named: all that were recorded."""
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    """Frames to latents; its cameras and size are those above."""
    autoencoder_fit: FitConfig = field(default_factory=lambda: _fit(2500, 64, 4e-3))
    """Its training."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Latents to codes, for `autoregressive`."""
    tokenizer_fit: FitConfig = field(default_factory=lambda: _fit(2500, 64, 3e-3))
    """Its training."""


@dataclass(frozen=True)
class FlowRunConfig(ImageConfig):
    """A flow world model from recordings."""

    worldmodel: FlowTrainConfig = field(default_factory=FlowTrainConfig)
    """The world model and its training."""


@dataclass(frozen=True)
class AutoregressiveRunConfig(ImageConfig):
    """An autoregressive world model from recordings."""

    worldmodel: AutoregressiveTrainConfig = field(default_factory=AutoregressiveTrainConfig)
    """The world model and its training."""


RunConfig = FlowRunConfig | AutoregressiveRunConfig
KINDS: dict[str, type[RunConfig]] = {
    "flow": FlowRunConfig,
    "autoregressive": AutoregressiveRunConfig,
}


def run_config(paradigm: str, changes: dict[str, Any]) -> RunConfig:
    """Defaults with `changes`, dotted names of fields -> values.

    Raises:
        ConfigError: a field is unknown or has a wrong value.
    """
    return changed(KINDS[paradigm](), changes)


def train_worldmodel(
    folders: Sequence[Path],
    config: RunConfig,
    out: Path,
    *,
    seed: int,
    device: str = "cpu",
    autoencoder: Path | None = None,
    initial: Path | None = None,
) -> LatentWorldModel:
    """Train all that is not there yet; a run that was stopped in `out` goes on.

    Args:
        folders: data sets of one robot.
        config: sizes and training of all parts.
        out: run folder.
        seed: weights, batches and noise are a function of it.
        device: where to train.
        autoencoder: taken instead of being trained; for `autoregressive` a tokenizer's folder may
            stand here, which brings its autoencoder along.
        initial: world model to be trained further, on its own autoencoder and tokenizer.

    Raises:
        ConfigError: the config does not fit the device, the data or the parts that are taken.
        DatasetError: data sets do not fit each other, or have no episode long enough.
        CheckpointError: a part is missing or damaged, or `out` holds a run of other settings, other
            data or another autoencoder.
    """
    datasets = open_datasets(folders)
    facts = facts_of(datasets[0], config.cameras, config.image_size)
    data = load_episodes(datasets, facts)
    _claim(out, config, seed, facts, data)
    taken, codes = _taken(autoencoder, initial, config)
    if taken is not None:
        _check_fits(taken, facts)
    place, codec, coder = (out / name for name in ("worldmodel", "autoencoder", "tokenizer"))

    def new_codec() -> FrameAutoencoder:
        fit = config.autoencoder_fit
        return train_autoencoder(
            data, config.autoencoder, fit, codec, seed=seed, device=device
        )[0]  # fmt: skip

    encoder = _part(FrameAutoencoder, codec, device, taken, new_codec)
    encode_dataset(encoder, data)
    if isinstance(config, FlowRunConfig):
        start = _start(initial, FlowWorldModel, facts)
        model, _ = train_flow(
            data, encoder, config.worldmodel, place, seed=seed, device=device, initial=start
        )
        return model

    def new_coder() -> FrameTokenizer:
        fit = config.tokenizer_fit
        return train_tokenizer(
            data, encoder, config.tokenizer, fit, coder, seed=seed, device=device
        )[0]  # fmt: skip

    tokenizer = _part(FrameTokenizer, coder, device, codes, new_coder)
    start = _start(initial, AutoregressiveWorldModel, facts)
    model, _ = train_autoregressive(
        data, tokenizer, config.worldmodel, place, seed=seed, device=device, initial=start
    )
    return model


def _start(folder: Path | None, kind: type[M], facts: RobotFacts) -> M | None:
    """The world model to be trained further, if there is one."""
    if folder is None:
        return None
    model = load_latent_model(folder)
    if not isinstance(model, kind):
        raise ConfigError(
            f"{folder} holds a {type(model).__name__}, expected a {kind.__name__} (--paradigm)"
        )
    check_model(model, facts)
    return model


def check_model(model: LatentWorldModel, facts: RobotFacts) -> None:
    """ConfigError where a world model is not of these cameras, this size or this robot."""
    _check_fits(model.autoencoder, facts)
    for what, mine, theirs in (
        ("numbers of action", model.config["action_dim"], facts.action_dim),
        ("numbers of proprioception", model.proprio_dim, facts.state_dim),
    ):
        if mine != theirs:
            raise ConfigError(
                f"the world model has {mine} {what}, the recordings of {facts.robot!r} have "
                f"{theirs}: is this another robot?"
            )


def _check_fits(autoencoder: FrameAutoencoder, facts: RobotFacts) -> None:
    settings = autoencoder.settings
    if settings.image_size != facts.image_size or tuple(settings.cameras) != facts.cameras:
        raise ConfigError(
            f"the autoencoder is of {settings.image_size} px and cameras "
            f"{', '.join(settings.cameras)}; the data is brought to {facts.image_size} px and has "
            f"{', '.join(facts.cameras)}"
        )


def _claim(
    out: Path, config: RunConfig, seed: int, facts: RobotFacts, data: EpisodeDataset
) -> None:
    """Note what the run is about; a run that goes on must be about the same."""
    told = to_dict(facts) | {"seed": seed, "episodes": [episode_mark(e) for e in data.episodes]}
    if (out / "data.json").exists():
        if (saved := read_json(out / "data.json")) != told:
            differs = [k for k in told if saved.get(k) != told[k]]
            raise CheckpointError(
                f"{out} holds a run of other data ({', '.join(differs)}); use another --out"
            )
        if to_dict(load_config(type(config), out / "config.yaml")) != to_dict(config):
            raise CheckpointError(
                f"{out} holds a run of other settings (see its config.yaml); use another --out"
            )
    Share.current().wait()  # all have looked before one writes
    if Share.current().rank == 0:
        save_config(config, out / "config.yaml")
        write_json(out / "data.json", told)
    Share.current().wait()


def _taken(
    folder: Path | None, initial: Path | None, config: RunConfig
) -> tuple[FrameAutoencoder | None, FrameTokenizer | None]:
    """The autoencoder, and the tokenizer, that are not to be trained."""
    if folder is None and initial is None:
        return None, None
    if folder is None:
        assert initial is not None
        model = load_latent_model(initial)
        if not isinstance(config, AutoregressiveRunConfig):
            return model.autoencoder, None
        quantiser = getattr(model, "quantiser", None)
        if quantiser is None:
            raise ConfigError(f"{initial} holds a {type(model).__name__}, which draws no codes")
        tokenizer = FrameTokenizer(
            model.config["autoencoder_config"], model.config["tokenizer_config"]
        )
        tokenizer.autoencoder.load_state_dict(model.autoencoder.state_dict())
        tokenizer.quantiser.load_state_dict(quantiser.state_dict())
        return tokenizer.autoencoder, tokenizer.eval()
    kind = class_name(folder)
    if kind == "FrameTokenizer":
        tokenizer = load_part(FrameTokenizer, folder)
        return tokenizer.autoencoder, tokenizer
    if kind != "FrameAutoencoder":
        raise CheckpointError(f"{folder} holds a {kind}, expected FrameAutoencoder, FrameTokenizer")
    return load_part(FrameAutoencoder, folder), None


def _part(kind: type[P], folder: Path, device: str, taken: P | None, made: Callable[[], P]) -> P:
    """The one that is there, the one that is taken, or one that is trained (`made`)."""
    if _is_done(folder):
        there = load_part(kind, folder)
        if taken is not None and not same_weights(there, taken):
            raise CheckpointError(
                f"{folder.parent} holds a run on another {folder.name}, on which its models depend;"
                f" use another --out, or the {folder.name} that it was started with"
            )
        return there.to(device)
    if taken is None:
        return made()
    _keep(taken, folder)
    return taken.to(device)  # type: ignore[return-value]


def _is_done(folder: Path) -> bool:
    """Whether a part's weights are there, asked by all processes before one of them writes."""
    found = (folder / WEIGHTS).exists()
    Share.current().wait()
    return found


def _keep(model: FrameAutoencoder | FrameTokenizer, folder: Path) -> None:
    """Save a part that was taken, so that the run folder is whole."""
    if Share.current().rank == 0:
        with atomic_folder(folder) as temporary:
            model.save_pretrained(str(temporary))
    Share.current().wait()
