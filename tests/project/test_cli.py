"""The command line: help, one-line errors, exit codes, the doctor."""

from __future__ import annotations

import json

import pytest

import octoworld
from octoworld.cli import main as cli
from octoworld.core.doctor import Check
from octoworld.core.errors import ConfigError


def test_help_lists_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in cli.verbs())


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"octoworld {octoworld.__version__}\n"


def test_version_is_the_distributions(repository):
    import tomllib

    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert project["version"] == octoworld.__version__


def test_unknown_verb_suggests(capsys):
    assert cli.main(["docter"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown verb 'docter'. Did you mean 'doctor'?")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (
            ConfigError("batch_size: expected int,\n  got 'x'"),
            2,
            "error: batch_size: expected int,",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_one_line(monkeypatch, capsys, raised, code, text):
    from octoworld.cli import list_names

    def fail(argv):
        raise raised

    monkeypatch.setattr(list_names, "main", fail)
    assert cli.main(["list"]) == code
    error = capsys.readouterr().err
    assert error.startswith(text) and error.count("\n") == 1


def test_defects_are_not_hidden(monkeypatch):
    from octoworld.cli import list_names

    monkeypatch.setattr(list_names, "main", lambda argv: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["list"])


def test_list(capsys):
    assert cli.main(["list", "robots"]) == 0
    assert capsys.readouterr().out.split() == octoworld.list_robots()
    assert cli.main(["list"]) == 0
    assert "backends: mujoco" in capsys.readouterr().out


def test_doctor_of_this_machine(capsys):
    code = cli.main(["doctor", "--json"])
    checks = [Check(**row) for row in json.loads(capsys.readouterr().out)]
    assert code == int(any(check.status == "fail" for check in checks))
    named = {check.name: check for check in checks}
    assert named["python"].status == named["package names"].status == "ok"
    assert named["mujoco"].status == "ok" and named["mujoco"].detail
    assert any(check.name.startswith("render") for check in checks)
    assert all(check.mend for check in checks if check.status != "ok")


def test_doctor_exits_with_1_and_says_how_to_mend(monkeypatch, capsys):
    from octoworld.cli import doctor

    broken = Check("mujoco", "fail", "4.0.0; !=4.0.0 is needed", "pip install 'mujoco!=4.0.0'")
    monkeypatch.setattr(doctor, "run_checks", lambda: [Check("python", "ok", "3.11"), broken])
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "mend: pip install 'mujoco!=4.0.0'" in shown and "1 failed" in shown
