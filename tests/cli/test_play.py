"""`octoworld play`: which words switch the live page on and off."""

import pytest

from octoworld.cli.demo import DemoArgs
from octoworld.cli.parse import parse
from octoworld.cli.play import PlayArgs


@pytest.mark.parametrize(
    ("words", "live"),
    [
        ("PickUp", None),
        ("PickUp --live", True),
        ("--live PickUp", True),
        ("PickUp --no-live", False),
        ("PickUp --live False", False),
        ("PickUp --live --driver you", True),
    ],
)
def test_a_switch_with_three_states(words, live):
    args = parse(PlayArgs, "play", words.split())
    assert args.live is live and str(args.policy) == "PickUp" and args.serve is None


def test_a_verb_may_stand_alone():
    assert parse(DemoArgs, "demo", []).serve is None
    assert parse(DemoArgs, "demo", ["--serve"]).serve is True
