"""The octopus bench's learned reward: what is seen after programs, its labels, its word."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.recipes.octopus.after import Onlooker, feedback_of, looks, seen_after
from octoworld.recipes.octopus.arms import ARMS
from octoworld.recipes.octopus.config import FORGETFUL, quick_octopus
from octoworld.recipes.octopus.env import PROGRESS, ProgramEnv
from octoworld.recipes.octopus.episodes import (
    GRAMMAR_TABLES,
    attempt,
    carry_out,
    household,
    instances,
    line_ends,
    perfect_tokens,
)
from octoworld.recipes.octopus.judged import JudgedEnv
from octoworld.recipes.octopus.judging import (
    auc,
    calibrate,
    card,
    f1,
    held_back,
    opinions_of,
    teach,
)
from octoworld.recipes.octopus.labelled import Labelled, columns, programs, right_calls
from octoworld.recipes.octopus.learning import padded, reinforce
from octoworld.recipes.octopus.scenes import Scenes, see, stack
from octoworld.recipes.octopus.seeing import fresh
from vla.programmer import describe_execution, make_runner, run_program
from vla.programmer.tiny import Judge, Line, Seen, program_text

CONFIG = quick_octopus()


@pytest.fixture(scope="module")
def model():
    return fresh(CONFIG, 0).eval()


@pytest.fixture(scope="module")
def scenes(model):
    """Real scenes of two homes with their pictures, behind an eye that knows nothing."""
    found = list(instances("train", 6, 0, CONFIG.max_tokens, homes=2))
    rows = [see(model, house, "", "") for house in map(household, found)]
    turns = [attempt(instance, FORGETFUL, 1)[0] for instance in found]
    return Scenes(stack(rows), found, list(turns))


@pytest.fixture(scope="module")
def labelled(model, scenes):
    """Of each scene the oracle's program, its beginnings, and one of another scene."""
    rows, tokens = [], []
    for row, instance in enumerate(scenes.instances):
        good = perfect_tokens(instance)
        ends = line_ends(good)
        tokens += [good, good[: ends[0] + 1], good[: ends[-2]]]
        tokens.append(perfect_tokens(scenes.instances[row - 1]))
        rows += [row] * 4
    at, said = torch.tensor(rows), padded(tokens, CONFIG.max_tokens)
    found = ProgramEnv(scenes, 1, onlooker=Onlooker(model)).outcomes(rows, said)
    return Labelled(
        at, said, [o.after for o in found if o.after is not None],
        torch.tensor([o.success for o in found]),
        torch.tensor([o.progress for o in found]), right_calls(at, said, found),
    )  # fmt: skip


def test_what_is_seen_after_is_what_a_whole_album_shows(model, scenes):
    env = ProgramEnv(scenes, 1, onlooker=Onlooker(model))
    assert env.onlooker is not None
    for row, instance in enumerate(scenes.instances[:3]):
        tokens = perfect_tokens(instance)
        outcome = env.outcomes([row], padded([tokens], CONFIG.max_tokens))[0]
        assert outcome.after is not None and outcome.after.changed
        house = household(instance)
        text = program_text(GRAMMAR_TABLES.lines(tokens, scenes.places(row)))
        execution = run_program(house, make_runner("grammar"), text)
        told = describe_execution(execution)
        whole = see(model, house, house.observe("blind").text, told)
        seen = seen_after(Seen.of(scenes.obs(torch.tensor([row]))), [outcome.after])
        count = len(whole["features"])
        places = list(outcome.after.changed)
        torch.testing.assert_close(seen.features[0, places].half(), whole["features"][places])
        # of a place that was left alone the edge may show a neighbour that was not
        same = (seen.features[0, :count].half() == whole["features"]).all(1)
        assert same.float().mean() > 0.7
        for name in ("at", "words"):
            assert torch.equal(getattr(seen, name)[0], whole[name])
        assert torch.equal(seen.mentioned[0, :count], whole["mentioned"])
    # who programs alike sees alike, without another picture
    pictures = env.onlooker.pictures
    again = ProgramEnv(scenes, 1, onlooker=env.onlooker)
    again.outcomes([0], padded([perfect_tokens(scenes.instances[0])], CONFIG.max_tokens))
    assert env.onlooker.pictures == pictures > 0 and env.onlooker.asked > pictures


def test_a_program_is_told_what_the_runner_tells(scenes):
    house = household(scenes.instances[0])
    place = next(p.name for p in house.home.pieces if not p.kind.openable)
    lines = [Line("go_to", (place,)), Line("open", (place,)), Line("done")]
    carry_out(house, lines)
    told = feedback_of(house, lines)
    again = household(scenes.instances[0])
    execution = run_program(again, make_runner("grammar"), program_text(lines))
    assert told == describe_execution(execution)
    assert "FAILED" in told and "done" not in told.splitlines()[-1]


def test_places_look_different_only_where_something_can_be_seen(scenes):
    house = household(scenes.instances[0])
    before = looks(house)
    piece = next(p.name for p in house.home.pieces if p.kind.openable)
    carry_out(house, [Line("go_to", (piece,))])
    assert looks(house) == before
    house.state.opened[piece] = not house.state.opened[piece]
    assert [name for name, now in looks(house).items() if now != before[name]] == [piece]


def test_calls_are_right_where_a_program_that_begins_so_succeeded(labelled):
    for low in range(0, len(labelled), 4):
        good, begun, cut, other = range(low, low + 4)
        assert labelled.success[good] and (labelled.right[good] != 0).all()
        assert (labelled.right[good] == 1).sum() == len(line_ends(labelled.tokens[good].tolist()))
        # what was begun well was right as far as it went
        assert not labelled.success[begun] and (labelled.right[begun] == 1).sum() == 1
        assert not (labelled.right[cut] == 0).any()
        if not labelled.success[other]:
            assert (labelled.right[other] == 0).any()
    pairs = labelled.pairs()
    assert len(pairs) and (labelled.rows[pairs[:, 0]] == labelled.rows[pairs[:, 1]]).all()
    assert labelled.success[pairs[:, 0]].all() and not labelled.success[pairs[:, 1]].any()


def test_it_learns_to_tell_success_from_failure(model, scenes, labelled, tmp_path):
    judge = Judge.of(model)
    config = replace(
        CONFIG, judge=replace(CONFIG.judge, steps=80, learning_rate=3e-3, ema_decay=0.0)
    )
    teach(judge, config, scenes, labelled, tmp_path, 0)
    found = calibrate(judge, scenes, labelled)
    assert found["f1"] > 0.9 and found["auc"] > 0.95 and found["ece"] < 0.2
    assert found["steps_auc"] > 0.7 and found["progress_error"] < 0.3, found
    # what was calibrated is kept
    judge.save_pretrained(tmp_path / "judge")
    again = Judge.from_pretrained(tmp_path / "judge")
    assert again.threshold == judge.threshold and again.slope == judge.slope
    chances = [opinions_of(j, scenes, labelled)[0] for j in (judge, again)]
    np.testing.assert_allclose(*chances, rtol=1e-5)
    # and the environment that asks it hears the same
    env = JudgedEnv(scenes, 1, again)
    chance, _ = env.opinions(labelled.rows.tolist(), labelled.tokens)
    np.testing.assert_allclose(chance, chances[0], atol=2e-3)


def test_a_judge_without_pictures_sees_nothing(model, scenes, labelled):
    blind = labelled.blind()
    assert not any(one.changed for one in blind.after)
    assert blind.after[0].words == labelled.after[0].words
    judge = Judge.of(model).eval()
    dark = scenes.blind()
    some = Seen.of(dark.obs(labelled.rows))
    after = seen_after(some, blind.after)
    assert not after.features.any()
    with torch.no_grad():
        a = judge(some, labelled.tokens, after).success
        # two places that look alike cannot be told apart, wherever a program goes
        b = judge(some, labelled.tokens, seen_after(some, labelled.after)).success
    assert a.isfinite().all() and not torch.allclose(a, b)


def test_the_reward_is_the_judges_word_and_the_truth_is_only_counted(model, scenes):
    judge = Judge.of(model).eval()
    judge.bias.fill_(20.0)  # it praises whatever it sees
    env = JudgedEnv(scenes, 6, judge)
    env.reset(seed=range(6))
    nothing = padded([[GRAMMAR_TABLES.index["done"]]] * 6, CONFIG.max_tokens)
    result = env.step_chunk(nothing[:, None].float())
    assert result.infos[0]["success"].all() and (result.rewards >= 1).all()
    assert (result.rewards <= 1 + PROGRESS).all()
    assert env.said == [(True, False)] * 6 and env.true_episodes == 6
    judge.bias.fill_(-20.0)
    strict = JudgedEnv(scenes, 6, judge)
    strict.reset(seed=range(6))
    assert not strict.step_chunk(nothing[:, None].float()).infos[0]["success"].any()
    # what it has said of a program stands
    judge.bias.fill_(20.0)
    assert (strict.judged(range(6), nothing)[0] < 1).all()


def test_feedback_can_be_a_judges(model, scenes, tmp_path):
    config = replace(CONFIG, rl=replace(CONFIG.rl, iterations=2, min_group_std=-1.0))
    policy, judge = fresh(config, 0), Judge.of(model)
    arm = ARMS["rlef-judged"]
    assert arm.is_judged
    spent = reinforce(policy, config, arm, scenes, scenes, tmp_path, 0, judge)
    assert spent["gradient_steps"] > 0 and spent["programs"] > 0
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert all("judge/false_success" in row for row in rows)
    assert 0 <= spent["judge/false_success"] <= spent["judge/said"] <= 1


def test_labels_are_counted_and_come_back_as_they_were(model, scenes, labelled):
    rows, tokens = programs(replace(CONFIG, labelled=12), model, scenes, 0)
    assert len(rows) == len(tokens) <= 12
    taught = {(r, *t.tokens) for r, t in enumerate(scenes.turns)}
    drawn = {(r, *(x for x in t if x >= 0)) for r, t in zip(rows.tolist(), tokens.tolist(),
                                                            strict=True)}  # fmt: skip
    assert len(taught & drawn) >= 4
    assert held_back(scenes).any() and not held_back(scenes).all()
    kept = columns(rows, tokens, ProgramEnv(scenes, 1, onlooker=Onlooker(model)).outcomes(
        rows.tolist(), tokens))  # fmt: skip
    assert len(kept["features"]) == int((kept["changed"] >= 0).sum())


def test_cards_count_right():
    chance = np.array([0.9, 0.8, 0.6, 0.4, 0.2])
    success = np.array([True, True, False, True, False])
    assert f1(chance >= 0.5, success) == pytest.approx(2 / 3)
    assert auc(chance, success) == pytest.approx(5 / 6)
    assert auc(chance, np.ones(5, bool)) == 0.5
    assert auc(np.ones(5), success) == 0.5
    found = card(chance, success, 0.5)
    assert found["said"] == 0.6 and found["false_share"] == pytest.approx(1 / 3)
    perfect = card(success.astype(float), success, 0.5)
    assert perfect["f1"] == perfect["auc"] == 1 and perfect["ece"] == 0
