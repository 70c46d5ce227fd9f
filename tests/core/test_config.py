"""Configs survive YAML, and mistakes in them are named by field."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoworld.core.config import changed, from_dict, load_config, save_config, to_dict
from octoworld.core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    steps: int = 10
    name: str = ""
    quick: bool = False
    folder: Path = Path("runs")
    sizes: tuple[int, ...] = (1, 2)
    box: tuple[float, float] = (0.0, 1.0)
    words: list[str] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    limit: int | None = None
    parts: tuple[Inner, ...] = ()


FULL = Outer(
    Inner(0.5, "b"), 3, "x", True, Path("a/b"), (4, 5, 6), (1.0, 2.0), ["p"], {"q": 2.0}, 7,
    (Inner(0.2), Inner(mode="b")),
)  # fmt: skip


@pytest.mark.parametrize("config", [Outer(), FULL])
def test_round_trip(tmp_path, config):
    save_config(config, tmp_path / "config.yaml")
    assert load_config(Outer, tmp_path / "config.yaml") == config


@given(
    rate=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(),
    sizes=st.lists(st.integers()),
    weights=st.dictionaries(st.text(), st.floats(allow_nan=False)),
)
def test_any_values_survive_yaml(tmp_path_factory, rate, name, sizes, weights):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    config = Outer(Inner(rate), name=name, sizes=tuple(sizes), weights=weights)
    save_config(config, path)
    assert load_config(Outer, path) == config


def test_missing_fields_take_their_defaults():
    assert from_dict(Outer, {"steps": 3}) == Outer(steps=3)
    assert from_dict(Outer, {"inner": {"mode": "b"}}).inner == Inner(mode="b")


def test_whole_numbers_are_good_floats():
    config = from_dict(Outer, {"inner": {"rate": 1}, "box": [0, 2]})
    assert config.inner.rate == 1.0 and isinstance(config.inner.rate, float)
    assert config.box == (0.0, 2.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 1}, "stepz: unknown field of Outer; known: box"),
        ({"inner": {"rte": 1}}, r"inner\.rte: unknown field of Inner; known: mode, rate"),
        ({"inner": {"mode": "c"}}, r"inner\.mode: 'c' is not one of 'a', 'b'"),
        ({"steps": 1.5}, r"steps: expected int, got 1\.5"),
        ({"steps": True}, "steps: expected int, got True"),
        ({"steps": "many"}, "steps: expected int, got 'many'"),
        ({"inner": {"rate": True}}, r"inner\.rate: expected float, got True"),
        ({"sizes": 3}, "sizes: expected a list, got 3"),
        ({"sizes": [1, "x"]}, r"sizes\[1\]: expected int, got 'x'"),
        ({"box": [1.0]}, "box: expected 2 values"),
        ({"limit": "none"}, "limit: expected int, got 'none'"),
        ({"weights": [1]}, "weights: expected a mapping, got"),
        ({"folder": 3}, "folder: expected a path, got 3"),
        ({"inner": 3}, "inner.: expected a mapping, got 3"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, values)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(Outer, tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(Outer, tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="expected a mapping"):
        load_config(Outer, tmp_path / "list.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(Outer, tmp_path / "empty.yaml") == Outer()


def test_plain_values_only():
    assert to_dict(FULL)["folder"] == "a/b"
    assert to_dict(FULL)["parts"] == [{"rate": 0.2, "mode": "a"}, {"rate": 0.1, "mode": "b"}]


def test_fields_are_changed_by_their_dotted_names():
    config = changed(Outer(), {"inner.rate": 3, "name": "b"})
    assert config == Outer(inner=Inner(rate=3.0), name="b")
    for changes, words in (
        ({"inner.speed": 3}, "inner.speed: unknown field of Inner; known: mode, rate"),
        ({"outer.rate": 3}, "'outer' has no fields here; those that have: inner"),
        ({"inner.rate": "big"}, "inner.rate: expected float, got 'big'"),
    ):
        with pytest.raises(ConfigError, match=words):
            changed(Outer(), changes)
