"""`octoworld sft --policy hf`: settings of the command line, and what is wrong with them."""

import pytest

from octoworld.cli.main import main
from octoworld.cli.settings import pairs
from octoworld.core.errors import ConfigError


def test_settings_are_yaml():
    given = ("head=flow", "bins=64", "lora_targets=[q_proj, v_proj]", "tune_vision=true")
    wanted = {
        "head": "flow", "bins": 64, "lora_targets": ["q_proj", "v_proj"], "tune_vision": True,
    }  # fmt: skip
    assert pairs("set", given) == wanted
    for wrong, said in (("bins", "expected name=value"), ("bins=[1", "no YAML value")):
        with pytest.raises(ConfigError, match=said):
            pairs("set", (wrong,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--policy hf needs --set model="),
        (["--set", "model=x", "hed=flow"], "hed: unknown field of HfConfig"),
        (["--set", "model=x", "head=loud"], "'loud' is not one of 'tokens', 'flow'"),
        (["--set", "model=x", "bins=1"], "bins = 1: expected at least 2"),
    ],
)
def test_wrong_options_are_one_line(options, message, tmp_path, capsys):
    verb = ["sft", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--policy", "hf"]
    assert main([*verb, *options]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
