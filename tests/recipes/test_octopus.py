"""Octopus: what programs say of a home, how they come out, and how feedback teaches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.io import load_tensors
from octoworld.recipes.octopus.arms import ARMS
from octoworld.recipes.octopus.bench import claims
from octoworld.recipes.octopus.config import FORGETFUL, OctopusConfig, quick_octopus
from octoworld.recipes.octopus.env import ProgramEnv
from octoworld.recipes.octopus.episodes import (
    GRAMMAR_TABLES,
    as_rows,
    attempt,
    carry_out,
    from_rows,
    household,
    instances,
    perfect_tokens,
)
from octoworld.recipes.octopus.failures import _stuck
from octoworld.recipes.octopus.language import LABELS, is_hidden, labels_of, look_of, said
from octoworld.recipes.octopus.learning import beginnings, examples, reinforce
from octoworld.recipes.octopus.scenes import Scenes, record_stills, see, stack
from octoworld.recipes.octopus.seeing import fresh, learn_to_see, sight
from octoworld.recipes.octopus.testing import judged
from tasks.household import PERFECT, household_split, solve
from tasks.household.text_view import inventory
from vla.programmer import describe_execution, make_runner, run_program
from vla.programmer.tiny import (
    Line,
    Stills,
    TinyProgrammer,
    look,
    program_text,
    understand,
)

CONFIG = quick_octopus()


@pytest.fixture(scope="module")
def some():
    return list(instances("train", 6, 0, CONFIG.max_tokens, homes=1))


@pytest.fixture(scope="module")
def scenes(some):
    """Scenes without pictures: what is tested here is what becomes of programs."""
    model = fresh(CONFIG, 0)
    rows = []
    for instance in some:
        count = len(household(instance).home.pieces)
        rows.append(
            {
                "features": torch.randn(count, model.eye.size).half(),
                "at": torch.tensor(-1),
                "mentioned": torch.zeros(count, dtype=torch.long),
                "words": torch.tensor(model.read(household(instance).instruction)),
            }
        )
    turns = [attempt(instance, PERFECT, 1)[0] for instance in some]
    return Scenes(stack(rows), list(some), list(turns))


def test_the_shipped_eye_sees_what_lies_about(repository, tmp_path):
    taught = str(repository / "assets" / "checkpoints" / "programmer")
    config = replace(OctopusConfig(), stills=8, shards=1, taught=taught)
    learn_to_see(config, tmp_path)
    eye = TinyProgrammer.from_pretrained(tmp_path / "eye" / "policy").eye
    unused = OctopusConfig.shards + 1  # starts that the bench gives to nobody
    record_stills(config, unused, tmp_path)
    stills = Stills(**load_tensors(tmp_path / "stills" / f"{unused}.safetensors"))
    found = sight(eye, stills)
    assert found["places recall"] > 0.98 and found["states recall"] > 0.95
    assert found["things recall"] > 0.65 and found["things precision"] > 0.65
    assert found["colours recall"] > 0.5 and found["colours precision"] > 0.5
    with pytest.raises(CheckpointError, match=r"other settings \(eye\)"):
        learn_to_see(replace(config, eye=replace(config.eye, features=8)), tmp_path / "other")


def test_programs_name_things_as_they_look(some):
    for instance in some:
        house = household(instance)
        tokens = perfect_tokens(instance)
        places = list(house.home.by_name)
        lines = GRAMMAR_TABLES.lines(tokens, places)
        assert not any("_1" in arg for s, args in lines if s == "pick" for arg in args)
        outcome = carry_out(house, lines)
        assert outcome.success and outcome.ok and outcome.calls == len(lines)


def test_where_looks_do_not_tell_there_is_no_name(some):
    state = household(some[0]).state.copy()
    state.add("mug_1", "on", "table_1", (0.0, 0.0, 0.0))
    state.color["mug_1"] = "red"
    assert look_of(state, "mug_1") == "mug"
    state.add("mug_2", "on", "table_1", (0.0, 0.0, 0.0))
    state.color["mug_2"] = "blue"
    assert look_of(state, "mug_1") == "red mug"
    state.color["mug_2"] = "red"
    assert look_of(state, "mug_1") == ""
    house = household(some[0])
    house.state = state
    assert said(state, [type(solve(household(some[0])).calls[0])("pick", ("mug_1",))]) is None


def test_labels_are_what_a_picture_can_show(some):
    house = household(some[0])
    state, home = house.state, house.home
    labels = dict(zip(home.by_name, labels_of(state, home), strict=True))
    for thing in state.place:
        kind = LABELS.index(thing.rsplit("_", 1)[0])
        assert (kind in labels[state.root(thing)]) is not is_hidden(state, home, thing)


def test_a_forgetful_teachers_turns_can_be_taken_up_again():
    seen_second = False
    for instance in instances("train", 12, 500, CONFIG.max_tokens, homes=1):
        turns = attempt(instance, FORGETFUL, 3)
        assert from_rows(as_rows(turns)) == turns
        for turn in turns:
            house = household(instance)
            for before in turn.before:
                carry_out(house, before)
            places = list(house.home.by_name)
            carry_out(house, GRAMMAR_TABLES.lines(turn.tokens, places, house.state.at))
            assert house.success == turn.success
            seen_second |= bool(turn.before) and "FAILED" in turn.feedback
    assert seen_second


def test_a_tree_of_programs_comes_out_as_each_alone(scenes):
    env = ProgramEnv(scenes, 4)
    good = list(scenes.turns[0].tokens)
    size = GRAMMAR_TABLES.size
    programs = [
        good, good[:-1], [*good[:1], size + 3, *good[1:]], [size + 2, GRAMMAR_TABLES.index["fill"]],
        [], good,
    ]  # fmt: skip
    tokens = torch.full((6, CONFIG.max_tokens), -1)
    for row, program in zip(tokens, programs, strict=True):
        row[: len(program)] = torch.tensor(program)
    together = env.outcomes([0] * 6, tokens)
    assert together[0].success and not together[3].ok and not together[4].success
    for outcome, program in zip(together, programs, strict=True):
        house = household(scenes.instances[0])
        places = list(house.home.by_name)
        alone = carry_out(house, GRAMMAR_TABLES.lines(program, places))
        assert (alone.success, alone.progress, alone.ok) == (
            outcome.success, outcome.progress, outcome.ok,
        )  # fmt: skip
    # what is known is not carried out again
    steps = env.true_steps
    env.outcomes([0] * 6, tokens)
    assert env.true_steps == steps and env.true_episodes == 12


def test_branches_begin_at_lines():
    row = [GRAMMAR_TABLES.size, *(GRAMMAR_TABLES.index[w] for w in ("pick", "red", "mug", "open"))]
    tokens = torch.tensor([row] * 200)
    kept = (beginnings(tokens, torch.Generator().manual_seed(0)) >= 0).sum(1)
    assert set(kept.tolist()) == {1, 4}


@pytest.mark.parametrize("arm", ["rlef", "rlef-grpo", "rlef-tree"])
def test_feedback_teaches_on_the_shared_trainer(scenes, arm, tmp_path):
    config = replace(
        CONFIG,
        rl=replace(CONFIG.rl, iterations=2, min_group_std=-1.0),  # equal groups teach too
        validate_every=2,
    )
    model = fresh(config, 0)
    spent = reinforce(model, config, ARMS[arm], scenes, scenes, tmp_path, 0)
    assert spent["programs"] > 0 and spent["calls"] > 0 and spent["gradient_steps"] > 0
    # a finished run is taken up as it is, and the eye is never trained
    again = fresh(config, 0)
    reinforce(again, config, ARMS[arm], scenes, scenes, tmp_path, 0)
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(model.eye.cells.weight, fresh(config, 0).eye.cells.weight)


def test_both_judges_agree_and_replay_is_exact(scenes):
    model = fresh(CONFIG, 0)
    rows, tokens = examples(scenes, CONFIG.max_tokens)
    assert rows.tolist() == list(range(6)) and (tokens[:, 0] >= model.grammar.size).any()
    programs = [
        program_text(GRAMMAR_TABLES.lines(t.tokens, scenes.places(i)))
        for i, t in enumerate(scenes.turns)
    ]
    found = judged(scenes, programs, check=True)
    assert found["success"] == found["checked"] == found["replayed"] == [1] * 6
    nothing = judged(scenes, ["done()\n"] * 6, check=True)
    assert nothing["success"] == nothing["checked"] == [0] * 6


def test_an_episode_that_is_stuck_again_and_again(scenes):
    model, row = fresh(CONFIG, 0), 0
    wrong = [Line("go_to", (scenes.places(row)[0],)), Line("pick", ("moon",))]
    found = list(_stuck(model, scenes, row, wrong, 3, torch.Generator().manual_seed(0)))
    assert 1 <= len(found) <= 3
    for number, (columns, turn) in enumerate(found):
        assert len(turn.before) == number + 1 and "moon" in found[0][1].feedback
        told = columns["words"][model.config.task_words + model.config.state_words :]
        assert told.any(), "the feedback is among the words"
    stuck = Scenes(
        stack([columns for columns, _ in found]), [scenes.instances[row]] * len(found),
        [turn for _, turn in found],
    )  # fmt: skip
    untold = stuck.untold(model.config.task_words + model.config.state_words)
    assert not (untold.columns["mentioned"] % 3).any()
    assert torch.equal(untold.columns["words"][:, :20], stuck.columns["words"][:, :20])
    assert not untold.columns["words"][:, 28:].any()


def test_an_agent_in_an_episode_reads_what_it_was_trained_with(some):
    model = fresh(CONFIG, 0)
    house = household(some[0])
    for program in ("", "pick('moon')\n"):
        feedback = describe_execution(run_program(house, make_runner("grammar"), program))
        view = house.observe()
        features = look(model, torch.from_numpy(np.stack(list(view.images.values()))))
        told = understand(
            model, features, list(view.images), house.instruction, view.text, feedback
        )
        trained = see(model, house, inventory(house.state), feedback)
        for name, column in trained.items():
            assert torch.equal(getattr(told, name)[0], column.to(getattr(told, name).dtype)), name


def test_what_follows_an_error_is_not_clean(scenes):
    program = [*GRAMMAR_TABLES.lines(scenes.turns[0].tokens, scenes.places(0))]
    late = [Line(*line) for line in program if line.skill != "done"] + [Line("pick", ("moon",))]
    for is_clean in (False, True):
        env = ProgramEnv(scenes, 1, is_clean=is_clean)
        env.keys = lambda rows, tokens: [(0, tuple(late))]  # type: ignore[method-assign]
        reward, success = env.judged([0], torch.zeros(1, 1))
        assert bool(success[0]) is not is_clean
        assert float(reward[0]) == pytest.approx(0.0 if is_clean else 1.3)


def test_shuffled_and_blind_scenes_keep_all_but_the_pictures(scenes):
    shuffled, blind = scenes.shuffled(0), scenes.blind()
    for name in ("pictures", "at", "mentioned", "words"):
        assert torch.equal(scenes.columns[name], shuffled.columns[name])
    same = (shuffled.columns["features"] == scenes.columns["features"]).flatten(1).all(1)
    assert not same.any() and not blind.columns["features"].any()


def test_nobody_learns_from_test_instances():
    config = OctopusConfig()
    train = household_split("train")
    numbers = {
        (p, s): config.first(p, s)
        for p in ("stills", "demonstrations", "rewards", "validation")
        for s in range(config.shards)
    }
    assert len(set(numbers.values())) == len(numbers)
    assert all(household_split(s).number != train.number for s in config.tests)
    names = [claim.name for claim in claims(config)]
    assert len(set(names)) == len(names)
