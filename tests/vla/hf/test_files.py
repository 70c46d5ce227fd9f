"""A saved policy: the hub's layout, equal actions after loading, and a card of true facts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from octoworld.core.errors import CheckpointError
from octoworld.core.io import read_json, write_json
from vla.checkpoint import load_policy
from vla.hf import HfPolicy
from vla.hf.card import RunFacts, Success, base_licence, record_success

from .families import FAMILIES, TEXTS, observation, policy, seeded


def trained(folder, **changes):
    """A policy whose new weights are not as they were made."""
    made = policy(folder, **changes)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name in made.trained:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def drawn(made):
    raw = made.act(observation(), TEXTS, temperature=1.0, generator=seeded()).raw_actions
    assert raw is not None
    return raw


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", ["tokens", "flow"])
def test_loaded_policy_acts_the_same_to_the_bit(family, head, model_of, tmp_path):
    made = trained(model_of(family), head=head)
    made.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path, robot="panda", control_mode="ee_delta_pos")
    assert isinstance(loaded, HfPolicy) and loaded.config == made.config
    assert torch.equal(drawn(made), drawn(loaded))
    assert not torch.equal(drawn(made), drawn(policy(model_of(family), head=head)))
    # what is trained alone is written
    names = [name for f in tmp_path.glob("*.safetensors") for name in load_file(f)]
    assert len(names) == len(made.trained)


@pytest.mark.parametrize(
    "changes",
    [
        {"tune": "full"},
        {"tune": "full", "tune_vision": True, "head": "flow"},
        {"tune": "frozen", "head": "flow", "language_layers": 1},
        {"lora_targets": ("q_proj",), "tune_vision": True},
    ],
)
def test_every_way_to_tune_is_saved(changes, model_of, tmp_path):
    made = trained(model_of("llava"), **changes)
    made.save_pretrained(tmp_path)
    assert torch.equal(drawn(made), drawn(load_policy(tmp_path)))
    assert (tmp_path / "adapter_config.json").exists() == ("tune" not in changes)


def test_peft_reads_the_adapter(model_of, tmp_path):
    import peft
    import transformers

    made = trained(model_of("llava"))
    made.save_pretrained(tmp_path)
    base = transformers.AutoModelForImageTextToText.from_pretrained(model_of("llava"))
    theirs = peft.PeftModel.from_pretrained(base, str(tmp_path)).eval()
    inputs = made._inputs(*made._read(observation(), TEXTS), TEXTS)
    with torch.no_grad():
        assert torch.equal(theirs(**inputs).logits, made.model(**inputs).logits)


def test_with_the_base_beside_it_nothing_else_is_needed(model_of, tmp_path):
    away = tmp_path / "model"
    shutil.copytree(model_of("idefics3"), away)
    made = trained(str(away), language_layers=1)
    made.save_pretrained(tmp_path / "alone")
    made.save_pretrained(tmp_path / "whole", save_base=True)
    shutil.rmtree(away)
    loaded = load_policy(tmp_path / "whole")
    assert torch.equal(drawn(made), drawn(loaded))
    assert isinstance(loaded, HfPolicy)
    loaded.save_pretrained(tmp_path / "again", save_base=True)
    assert torch.equal(drawn(made), drawn(load_policy(tmp_path / "again")))
    with pytest.raises(CheckpointError, match="does not exist: expected the folder of a model"):
        load_policy(tmp_path / "alone")


def test_card_says_what_is_known_and_what_is_not(model_of, tmp_path):
    made = policy(model_of("llava"))
    made.save_pretrained(tmp_path)
    blank = (tmp_path / "README.md").read_text()
    assert "Not evaluated." in blank and "- training: none" in blank and "not known" in blank
    made.facts = RunFacts(("pickup",), 50, 1234, 2000, 16, 3)
    made.save_pretrained(tmp_path)
    record_success(tmp_path, Success("PickUp", 0.625, (0.5, 0.73), 80))
    record_success(tmp_path, Success("OpenDrawer", 0.1, (0.05, 0.2), 80))
    record_success(tmp_path, Success("PickUp", 0.5, (0.4, 0.6), 80))
    text = (tmp_path / "README.md").read_text()
    for fact in (
        "pickup (50 episodes, 1234 frames)",
        "2000 steps of 16 frames, seed 3",
        "| PickUp | 50.0 % | [40.0, 60.0] | 80 |",
        "| OpenDrawer | 10.0 % |",
        "LoRA on the language model, rank 16",
        "trained weights: ",
    ):
        assert fact in text, fact
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["library_name"] == "octoworld" and header["pipeline_tag"] == "robotics"
    loaded = load_policy(tmp_path)
    assert isinstance(loaded, HfPolicy) and len(loaded.facts.success) == 2


def test_licence_of_the_base(model_of, tmp_path):
    folder = Path(shutil.copytree(model_of("llava"), tmp_path / "model"))
    assert base_licence(str(folder)) == ""
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A model\n")
    assert base_licence(str(folder)) == "apache-2.0"
    assert base_licence("nobody/nothing") == ""
    policy(str(folder)).save_pretrained(tmp_path / "policy")
    text = (tmp_path / "policy" / "README.md").read_text()
    assert "license: apache-2.0" in text and "licence of the pretrained model: apache-2.0" in text
    (folder / "README.md").write_text("---\n{\n---\n")
    assert base_licence(str(folder)) == ""


def change_config(folder, **changes):
    values = read_json(folder / "config.json")
    write_json(folder / "config.json", values | {"config": values["config"] | changes})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "does not exist"),
        (lambda f: (f / "statistics.json").write_text("{}"), "damaged"),
        (lambda f: (f / "card.json").write_text('{"stepps": 1}'), "stepps"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors does not exist"),
        (lambda f: (f / "model.safetensors").write_bytes(b"0" * 40), "damaged"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "adapter_model.* does not exist"),
        (lambda f: change_config(f, lora_rank=4), "adapter_model.safetensors does not fit"),
        (lambda f: change_config(f, width=128), "model.safetensors does not fit"),
        (lambda f: change_config(f, state_dim=9), "state_dim = 9"),
        (lambda f: change_config(f, model="/nowhere"), "/nowhere does not exist"),
        (lambda f: (f / "processor_config.json").write_text("{"), "cannot load"),
    ],
)
def test_damaged_folder(harm, message, model_of, tmp_path):
    policy(model_of("llava"), head="flow").save_pretrained(tmp_path)
    harm(tmp_path)
    with pytest.raises(CheckpointError, match=message) as error:
        load_policy(tmp_path)
    assert "\n" not in str(error.value)


def test_precision_of_another_machine(model_of, tmp_path):
    made = policy(model_of("llava"))
    made.save_pretrained(tmp_path)
    change_config(tmp_path, dtype="bfloat16")
    loaded = HfPolicy.from_pretrained(tmp_path, device="cpu", dtype="float32")
    assert torch.equal(drawn(made), drawn(loaded))
    with pytest.raises(ValueError, match="expected 'float32' or 'bfloat16'"):
        HfPolicy.from_pretrained(tmp_path, dtype="float8")
    assert replace(loaded.config, dtype="bfloat16").dtype == "bfloat16"
    assert json.loads((tmp_path / "config.json").read_text())["type"] == "hf"
