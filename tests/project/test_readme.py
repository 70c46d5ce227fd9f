"""What the README shows can be typed: its commands are parsed, its Python runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from octoworld.cli.main import main, verbs

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"^octoworld [^#|\n]+|(?<=`)octoworld [^`]+(?=`)", README, re.M)))
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command, capsys):
    _, verb, *rest = shlex.split(command)
    if verb.startswith("-"):
        assert main([verb]) == 0
        return
    assert verb in verbs(), command
    options = [word for word in rest if word.startswith("--")]
    chosen = [rest[0]] if verb in ("dataset", "worldmodel", "programmer") else []
    chosen += [word for word in rest if word == "--card"]  # another command of one name
    with pytest.raises(SystemExit) as end:
        main([verb, *chosen, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("code", BLOCKS)
def test_python_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_make_targets_exist():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", README, re.M)):
        assert f"\n{target}:" in makefile
