"""Registries: lazy members, names that are taken, choices in the error."""

import sys
import types

import pytest

from octoworld.core import registry
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import Registry


@pytest.fixture
def module(monkeypatch):
    """A module that registers itself when it is imported; the list counts its imports."""
    kinds: Registry = Registry("kind", ("fake_members",))

    class Finder:
        imports: list[str] = []  # noqa: RUF012

        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name != "fake_members":
                return None
            cls.imports.append(name)
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, cls)  # type: ignore[arg-type]

        @staticmethod
        def create_module(spec):
            return types.ModuleType(spec.name)

        @staticmethod
        def exec_module(module):
            kinds.register("late")(len)

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "fake_members", raising=False)
    yield kinds, Finder.imports
    sys.modules.pop("fake_members", None)


def test_modules_are_imported_on_the_first_look_up_only(module):
    kinds, imports = module
    kinds.register("early")(max)
    assert kinds.get("early") is max
    assert imports == []
    assert kinds.get("late") is len
    assert kinds.names() == ["early", "late"] == list(kinds)
    assert "late" in kinds and "none" not in kinds
    assert imports == ["fake_members"]


def test_unknown_names_list_the_choices():
    kinds: Registry = Registry("kind")
    kinds.register("reach")(max)
    with pytest.raises(UnknownNameError) as caught:
        kinds.get("raech")
    assert str(caught.value) == "unknown kind 'raech'. Did you mean 'reach'? Known: reach."
    assert isinstance(caught.value, KeyError)


def test_a_taken_name_is_refused_but_the_same_thing_may_come_again():
    kinds: Registry = Registry("kind")
    kinds.register("a")(max)
    kinds.register("a")(max)
    with pytest.raises(ConfigError, match=r"'a' is already registered by builtins\.max"):
        kinds.register("a")(min)


def test_a_module_that_fails_to_import_fails_every_time():
    kinds: Registry = Registry("kind", ("no_such_module_of_ours",))
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            kinds.get("x")


def test_plugins_are_loaded_once(monkeypatch):
    loaded = []

    class Point:
        def load(self):
            loaded.append(1)

    monkeypatch.setattr(registry, "_plugins_loaded", False)
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()])
    first, second = Registry("a"), Registry("b")
    assert first.names() == second.names() == []
    assert loaded == [1]
