"""Tiny random vision-language models of several families, made offline and saved as real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from vla.hf import HfConfig, HfPolicy
from vla.hf.statistics import HfStatistics
from vla.programmer import describe_language

WORDS = ("In", "Out", "What", "action", "should", "the", "robot", "take", "to", "go", "there",
         "away", "slowly", ":", "?", ".")  # fmt: skip
PROGRAM = "Plan: go to sink_1; turn on.\n```python\ngo_to('sink_1')\nturn_on('sink_1')\ndone()\n```"
RARE = 300
"""Words that nothing uses; the last ones become actions."""
CHAT = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} robot :{% endif %}"
)
PIXELS = 32
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": PIXELS, "patch_size": 8,
}  # fmt: skip
FAMILIES = ("idefics3", "paligemma", "llava")
"""SmolVLM's first architecture with a chat template, a prefix language model, a plain prompt."""
NEED_TORCHVISION = ("qwen2_5_vl", "smolvlm")
"""Families whose processors also take video, for which transformers wants torchvision."""


def tokenizer(*special: str) -> Any:
    words = ["<unk>", "<pad>", "<s>", "</s>", *WORDS, *map(str, range(256))]
    words += [f"rare{i}" for i in range(RARE)]
    words_level = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    made = Tokenizer(words_level)
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", additional_special_tokens=list(special),
    )  # fmt: skip


def writing_tokenizer(*special: str) -> Any:
    """Bytes and their pairs: whatever is written is read back as it was."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", "<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator([f"{describe_language()}\n{PROGRAM}"], trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", additional_special_tokens=list(special),
    )  # fmt: skip


def text_config(words: Any, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": len(words),
        "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
    } | more  # fmt: skip


def idefics3(name: str = "Idefics3", tokenizer: Any = tokenizer) -> tuple[Any, Any]:
    words = tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    side = {"longest_edge": PIXELS}
    options: dict[str, Any] = {"size": side, "max_image_size": side}
    videos = ()
    if name == "SmolVLM":
        images = hf.SmolVLMImageProcessor(**options)
        videos = (hf.SmolVLMVideoProcessor(**options),)
    else:
        images = hf.Idefics3ImageProcessorPil(**options)
    processor = getattr(hf, f"{name}Processor")(
        images, words, *videos, image_seq_len=4, chat_template=CHAT.replace("IMAGE", "<image>")
    )
    config = getattr(hf, f"{name}Config")(
        text_config=text_config(words, model_type="llama", max_position_embeddings=16384),
        vision_config=VISION, scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"), pad_token_id=1,
    )  # fmt: skip
    return getattr(hf, f"{name}ForConditionalGeneration")(config), processor


def paligemma() -> tuple[Any, Any]:
    words = tokenizer()
    images: Any = hf.SiglipImageProcessorPil(size={"height": PIXELS, "width": PIXELS})
    images.image_seq_length = (PIXELS // VISION["patch_size"]) ** 2
    processor = hf.PaliGemmaProcessor(images, words)
    config = hf.PaliGemmaConfig(
        text_config=text_config(words, model_type="gemma", head_dim=16),
        vision_config=VISION | {"model_type": "siglip_vision_model"},
        image_token_index=words.convert_tokens_to_ids("<image>"), projection_dim=32,
    )  # fmt: skip
    return hf.PaliGemmaForConditionalGeneration(config), processor


def llava() -> tuple[Any, Any]:
    words = tokenizer("<image>")
    images = hf.CLIPImageProcessorPil(
        size={"shortest_edge": PIXELS}, crop_size={"height": PIXELS, "width": PIXELS}
    )
    processor = hf.LlavaProcessor(
        images, words, patch_size=VISION["patch_size"], num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
    )  # fmt: skip
    config = hf.LlavaConfig(
        text_config=text_config(words, model_type="llama"),
        vision_config=VISION | {"model_type": "clip_vision_model"},
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return hf.LlavaForConditionalGeneration(config), processor


def qwen2_5_vl() -> tuple[Any, Any]:
    marks = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    words = tokenizer(*marks)
    image, video, start, end = (words.convert_tokens_to_ids(mark) for mark in marks)
    options: dict[str, Any] = {"patch_size": 8, "min_pixels": 256, "max_pixels": PIXELS**2}
    place = "<|vision_start|><|image_pad|><|vision_end|>"
    processor = hf.Qwen2_5_VLProcessor(
        hf.Qwen2VLImageProcessor(**options), words, hf.Qwen2VLVideoProcessor(**options),
        chat_template=CHAT.replace("IMAGE", place),
    )  # fmt: skip
    config = hf.Qwen2_5_VLConfig(
        text_config=text_config(words, rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]}),
        vision_config={
            "depth": 1, "hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64,
            "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "window_size": 32,
            "fullatt_block_indexes": [0],
        },
        image_token_id=image, video_token_id=video, vision_start_token_id=start,
        vision_end_token_id=end,
    )  # fmt: skip
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


BUILDERS = {
    "idefics3": idefics3,
    "paligemma": paligemma,
    "llava": llava,
    "qwen2_5_vl": qwen2_5_vl,
    "smolvlm": lambda: idefics3("SmolVLM"),
    "writer": lambda: idefics3(tokenizer=writing_tokenizer),
}


def build(family: str, folder: Path, loudness: float = 10.0) -> str:
    """Write a model and its processor; its weights are loud, so that every input matters."""
    torch.manual_seed(0)
    model, processor = BUILDERS[family]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(loudness)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def small(folder: str, **changes: Any) -> HfConfig:
    """A config that such a model fits, for robots that feel three numbers and move in three."""
    settings = {
        "model": folder, "cameras": ("front", "wrist"), "bins": 8, "chunk_size": 2, "width": 64,
        "heads": 4, "depth": 2, "flow_steps": 4, "state_dim": 3, "action_dim": 3, "robot": "panda",
        "control_mode": "ee_delta_pos",
    }  # fmt: skip
    return HfConfig(**(settings | changes))


def statistics() -> HfStatistics:
    rng = np.random.default_rng(0)
    return HfStatistics.fit(rng.normal(size=(200, 3)), rng.uniform(-1, 1, (200, 3)))


def policy(folder: str, **changes: Any) -> HfPolicy:
    return HfPolicy.build(small(folder, **changes), statistics(), seed=0).eval()


def observation(count: int = 3) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    shape = (count, PIXELS, PIXELS, 3)
    obs = {
        f"observation.images.{camera}": torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
        for camera in ("front", "wrist")
    }
    return obs | {"observation.state": torch.from_numpy(rng.normal(size=(count, 3))).float()}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


TEXTS = ["go there", "go slowly to the robot", "go away"]
