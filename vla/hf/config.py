"""Config of the `hf` policy: which pretrained model, how it is tuned, how it speaks actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from octoworld.core.errors import ConfigError

PROMPTS = {
    "tokens": "In: What action should the robot take to {instruction}? Out:",
    "flow": "{instruction}",
}
"""What a head is prompted with by default: OpenVLA's question (arXiv 2406.09246, section 3.2), and
the bare instruction (SmolVLA, pi0)."""


@dataclass(frozen=True)
class PretrainedConfig:
    """Which pretrained vision-language model, and what of it is trained."""

    model: str = ""
    """Hub id, e.g. `HuggingFaceTB/SmolVLM2-500M-Video-Instruct`, or the model's folder."""
    revision: str = ""
    """Commit, branch or tag on the hub; "" is its main branch."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the pretrained weights; `bfloat16` on CUDA alone. What is trained stays float32."""
    image_size: int = 0
    """Side of the square that images are resized to before the model's own image processor has
    them [px]; 0 hands them over as they are."""
    image_processor: dict[str, Any] = field(default_factory=dict)
    """Settings of the model's image processor to replace, e.g. `{size: {longest_edge: 512}}`.
    Splitting of images into tiles is off unless set here: it multiplies the tokens."""
    language_layers: int = 0
    """Layers of the language model that are kept; 0 keeps all. SmolVLA keeps the lower half."""
    tune: Literal["lora", "full", "frozen"] = "lora"
    """The language model: low-rank adapters, all of its weights, or nothing."""
    tune_vision: bool = False
    """Train the vision tower and its projection too, all of their weights."""
    lora_rank: int = 16
    """Rank of the adapters."""
    lora_alpha: int = 16
    """The adapters' product is scaled by lora_alpha / lora_rank."""
    lora_dropout: float = 0.0
    """Dropout before the adapters; a density that post-training compares needs 0."""
    lora_targets: tuple[str, ...] = ()
    """Last names of the adapted layers, e.g. `q_proj`; () is every linear layer of the language
    model but its output."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, a third more time."""

    def __post_init__(self) -> None:
        self.check(
            (self.image_size >= 0, "image_size", "0 or pixels"),
            (self.language_layers >= 0, "language_layers", "0 or more"),
            (self.lora_rank > 0, "lora_rank", "at least 1 (tune = 'frozen' has no adapters)"),
            (0 <= self.lora_dropout < 1, "lora_dropout", "in [0, 1)"),
            (self.tune != "full" or self.dtype == "float32", "tune",
             "'lora' with dtype 'bfloat16': small steps of bfloat16 weights are rounded away"),
            (not self.tune_vision or self.dtype == "float32", "tune_vision",
             "False with dtype 'bfloat16'"),
        )  # fmt: skip

    def check(self, *checks: tuple[bool, str, str]) -> None:
        """Raise ConfigError for the first (holds, name of a field, what is expected) that fails."""
        for holds, name, expected in checks:
            if not holds:
                raise ConfigError(f"{name} = {getattr(self, name)!r}: expected {expected}")


@dataclass(frozen=True)
class HfConfig(PretrainedConfig):
    """A pretrained model and an action head.

    Fields marked "from the data" are filled in by supervised training when left at their default.
    """

    head: Literal["tokens", "flow"] = "tokens"
    """`tokens`: binned actions, said as words of the model's vocabulary (RT-2, OpenVLA).
    `flow`: a transformer that denoises the chunk while it looks at the model's hidden states
    (pi0, SmolVLA); it has no density, so that post-training needs `tokens`."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras it looks through, each an image of the prompt, in this order."""
    prompt: str = ""
    """Template; `{instruction}` is the task, `{state}` the proprioception as integers of 0 to 255
    (three standard deviations to each side, as in pi0.5). "" is the head's own."""
    state_dim: int = 0
    """P, length of `observation.state`; 0: from the data."""
    action_dim: int = 0
    """A, length of an action; 0: from the data."""
    robot: str = ""
    """Robot it drives; "": from the data."""
    control_mode: str = ""
    """What its actions mean, e.g. `ee_delta_pos`; "": from the data."""
    chunk_size: int = 4
    """K, actions given by one call; `tokens` says K * A words for them."""
    bins: int = 256
    """B, bins between the 1st and the 99th percentile of each action dimension (`tokens`)."""
    width: int = 256
    """Width of the action expert (`flow`)."""
    depth: int = 4
    """Layers of the action expert (`flow`)."""
    heads: int = 8
    """Attention heads of the action expert (`flow`)."""
    flow_steps: int = 10
    """Euler steps from noise to actions (`flow`; 10 in pi0 and SmolVLA)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(
            (len(self.cameras) > 0, "cameras", "at least one camera"),
            (self.chunk_size > 0, "chunk_size", "at least 1"),
            (self.bins >= 2, "bins", "at least 2"),
            (self.width > 0 and self.width % (2 * self.heads) == 0, "width",
             f"a multiple of 2 * heads = {2 * self.heads}"),
            (self.depth > 0, "depth", "at least 1"),
            (self.flow_steps > 0, "flow_steps", "at least 1"),
            (self.tune != "frozen" or self.head == "flow", "tune",
             "'lora' or 'full' with head 'tokens', which has no weights of its own"),
        )  # fmt: skip
        try:
            told = self.template.format(instruction="\0", state="")
        except (KeyError, IndexError, ValueError):
            told = ""
        if "\0" not in told:
            raise ConfigError(
                f"prompt = {self.prompt!r}: expected a template with {{instruction}}, and at will "
                "{state}"
            )

    @property
    def template(self) -> str:
        """The prompt's template."""
        return self.prompt or PROMPTS[self.head]
