"""Set-up: what it decides, without installing anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from octoworld.cli import bootstrap


@pytest.fixture
def pip_calls(monkeypatch):
    """Calls of pip; every one fails unless its arguments are put into `works`."""
    calls, works = [], set()

    def pip(*arguments, check=True):
        calls.append(arguments)
        return check or bool(works & set(arguments))

    monkeypatch.setattr(bootstrap, "pip", pip)
    monkeypatch.setattr(bootstrap, "_succeeds", lambda command: False)
    return calls, works


def test_runs_without_octoworld(tmp_path):
    # -I: neither this folder nor installed packages' paths; only the standard library is left
    command = [sys.executable, "-I", "-S", bootstrap.__file__, "--help"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0 and "--browser" in answer.stdout


def test_cpu_torch_takes_local_wheels_first(pip_calls):
    calls, works = pip_calls
    works.add("--no-index")
    bootstrap.install_cpu_torch()
    assert len(calls) == 1 and calls[0][-1].endswith("+cpu")


def test_cpu_torch_then_the_cpu_index(pip_calls):
    calls, works = pip_calls
    works.add(bootstrap.CPU_INDEX)
    bootstrap.install_cpu_torch()
    assert len(calls) == 2 and "--no-deps" in calls[1]


def test_cpu_torch_ends_with_the_ordinary_build(pip_calls, capsys):
    calls, _ = pip_calls
    bootstrap.install_cpu_torch()
    assert calls[-1] == ("install", f"torch=={bootstrap.TORCH}")
    assert "CUDA" in capsys.readouterr().out


@pytest.mark.parametrize(("has_gpu", "system"), [(True, "Linux"), (False, "Darwin")])
def test_gpu_and_mac_take_the_ordinary_build(pip_calls, monkeypatch, has_gpu, system):
    calls, _ = pip_calls
    monkeypatch.setattr(bootstrap, "has_nvidia_gpu", lambda: has_gpu)
    monkeypatch.setattr(bootstrap.platform, "system", lambda: system)
    bootstrap.install_packages()
    assert calls == [("install", f"torch=={bootstrap.TORCH}"), ("install", "--editable", ".[dev]")]


def test_old_python_is_named(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "OLDEST", (9, 0))
    with pytest.raises(bootstrap.SetupError, match=r"Python 9.0 or newer is needed \(.* is 3\."):
        bootstrap.find_python()


def test_apt_needs_permission(monkeypatch):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "_succeeds", lambda command: False)
    assert not bootstrap.apt_install(("libegl1",))


def test_missing_gl_prints_the_command_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.platform, "system", lambda: "Linux")
    monkeypatch.setattr(bootstrap, "_loads", lambda library: False)
    monkeypatch.setattr(bootstrap, "apt_install", lambda packages: False)
    bootstrap.install_gl()
    assert "`sudo apt-get install libegl1" in capsys.readouterr().out


def test_stamp_makes_it_quick(monkeypatch, tmp_path):
    stamp = tmp_path / "stamp"
    monkeypatch.setattr(bootstrap, "STAMP", stamp)
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path)
    assert not bootstrap._is_current()
    stamp.write_text(bootstrap._fingerprint())
    assert bootstrap._is_current()
    for step in ("create_environment", "install_packages", "install_gl", "_succeeds"):
        monkeypatch.setattr(bootstrap, step, lambda *_: pytest.fail("set up again"))
    monkeypatch.setattr(bootstrap, "compile_kernels", lambda: None)
    assert bootstrap.main([]) == 0


def test_kernels_are_compiled_once_and_again_when_they_change(monkeypatch, tmp_path):
    calls, kernel, layout = [], tmp_path / "compiled" / "step.py", tmp_path / "layout.py"
    kernel.parent.mkdir()
    kernel.write_text("one")
    layout.write_text("two")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "KERNELS", ("compiled", "layout.py"))
    monkeypatch.setattr(bootstrap, "KERNEL_STAMP", tmp_path / "stamp")
    monkeypatch.setattr(
        bootstrap, "_succeeds", lambda command: calls.append(command) or len(calls) > 1
    )
    bootstrap.compile_kernels()  # fails: no stamp, tried again
    for _ in range(2):
        bootstrap.compile_kernels()
    assert len(calls) == 2 and calls[0][1:] == ["-m", "octoworld.recipes.machine_code"]
    kernel.write_text("three")
    bootstrap.compile_kernels()
    layout.write_text("four")
    bootstrap.compile_kernels()
    assert len(calls) == 4


def test_all_kernels_are_there():
    for name in bootstrap.KERNELS:
        assert (bootstrap.ROOT / name).exists()


def test_failure_is_reported(monkeypatch, capsys):
    def fail():
        raise bootstrap.SetupError("no Python")

    monkeypatch.setattr(bootstrap, "_is_current", lambda: False)
    monkeypatch.setattr(bootstrap, "install_gl", fail)
    assert bootstrap.main([]) == 1
    assert capsys.readouterr().err == "setup: no Python\n"
