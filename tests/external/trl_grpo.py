"""TRL's `GRPOTrainer` takes 20 steps on a household scene with a tiny random model.

    python tests/external/trl_grpo.py [STEPS]

The model is a Qwen2 of 30,000 random parameters; each token of its vocabulary is one call of a
skill, so that what it writes are programs from the start. TRL's own loop generates, has our scene
run the programs, and updates; nothing of octoworld's trainer takes part. Rewards are printed.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false

import os
import sys
import tempfile

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from octoworld.recipes.household_rows import household_scene
from vla.programmer.adapters.trl import answer_environment, answer_reward

TASK, LAYOUT = "turn_on:sink", 2
CALLS = ("go_to('sink_1')\n", "turn_on('sink_1')\n", "look()\n", "open('fridge_1')\n",
         "go_to('fridge_1')\n", "done()\n")  # fmt: skip


def tokenizer() -> PreTrainedTokenizerFast:
    """A token for each call, and one for every other word."""
    words = {word: i for i, word in enumerate(("<pad>", "<eos>", "<word>", *CALLS))}
    plain = Tokenizer(models.WordLevel(words, unk_token="<word>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<word>"
    )
    # a program is read back as it is, without blanks between its lines
    made._tokenizer.decoder = None
    made.decode = lambda ids, **_: "".join(CALLS[i - 3] for i in _flat(ids) if i >= 3)
    made.batch_decode = lambda rows, **_: [made.decode(row) for row in rows]
    # TRL wants a template that can say tool calls, though this model makes none
    made.chat_template = (
        "{% for m in messages %}{{ m['content'] }} {% for c in m.tool_calls or [] %}"
        "{{ c.function.name }} {{ c.function.arguments }} {% endfor %}{% endfor %}"
    )
    return made


def _flat(ids):
    return ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)


def main() -> None:
    """Train, and say how the rewards went."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    torch.manual_seed(0)
    words = tokenizer()
    config = Qwen2Config(
        vocab_size=3 + len(CALLS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=8192,
        eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    row = {"prompt": [{"role": "user", "content": ""}], "task": TASK, "layout": LAYOUT}
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model,
            reward_funcs=answer_reward,
            environment_factory=answer_environment(
                household_scene,
                reward=lambda t: 0.5 * t["success"] + 0.5 * t["progress"],
            ),
            args=GRPOConfig(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=16,
                num_generations=16,
                max_completion_length=6,
                learning_rate=3e-2,
                logging_steps=1,
                report_to=[],
                use_cpu=True,
                bf16=False,
                save_strategy="no",
                disable_tqdm=True,
                temperature=1.0,
            ),
            train_dataset=Dataset.from_list([row] * 64),
            processing_class=words,
        )
        trainer.train()
    rewards = [log["reward"] for log in trainer.state.log_history if "reward" in log]
    assert len(rewards) == steps, rewards
    print("mean reward of each step:", " ".join(f"{r:.2f}" for r in rewards))
    first, last = sum(rewards[:5]) / 5, sum(rewards[-5:]) / 5
    print(f"{steps} steps; first five {first:.2f}, last five {last:.2f}")


if __name__ == "__main__":
    main()
