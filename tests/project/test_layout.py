"""The house rules that hold for every file: length, first line, markers, verbs."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from octoworld.cli import main as cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("octoworld", "sim", "robots", "tasks", "worldmodels", "vla")
FILES = sorted(
    path.relative_to(ROOT)
    for package in (*PACKAGES, "tests")
    for path in (ROOT / package).rglob("*.py")
    if "_assets" not in path.parts
)
MODULES = [path for path in FILES if path.parts[0] != "tests"]


def test_no_file_is_longer_than_500_lines():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in FILES}
    assert {path: n for path, n in lengths.items() if n > 500} == {}


def test_most_files_fit_a_page():
    lengths = sorted(len((ROOT / path).read_text().splitlines()) for path in MODULES)
    assert lengths[len(lengths) // 2] <= 120


def test_every_module_says_its_concept_first():
    silent = []
    for path in MODULES:
        source = (ROOT / path).read_text()
        tree = ast.parse(source)
        if tree.body and path.name != "__init__.py" and not ast.get_docstring(tree):
            silent.append(str(path))
    assert silent == []


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_carry_the_marker(name):
    assert importlib.import_module(name).__suite__ == "octoworld"


def test_tests_are_not_a_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("verb", list(cli.verbs()))
def test_every_verb_has_a_module_with_main(verb):
    module, text = cli.verbs()[verb]
    assert callable(importlib.import_module(f"octoworld.cli.{module}").main)
    assert text and text in cli.overview()
