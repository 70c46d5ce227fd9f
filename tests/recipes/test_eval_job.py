"""`octoworld eval` from within: rows, intervals, what is not offered, films of failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from octoworld.bench.intervals import wilson
from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import TASKS
from octoworld.data.captions import LINE_HEIGHT, MARGIN, caption, words_of
from octoworld.data.reader import Dataset
from octoworld.data.video import iterate_video
from octoworld.recipes.eval_films import HEIGHT, captioned, film, film_failures
from octoworld.recipes.eval_job import EvalConfig, Refusal, Report, offered, rollout_config, run
from octoworld.recipes.eval_report import markdown, rows, to_json
from octoworld.recipes.evaluate import Outcome, watch
from octoworld.recipes.recording import write_dataset
from octoworld.recipes.rollouts import RolloutConfig, collect
from octoworld.recipes.suite.config import SuiteConfig
from octoworld.recipes.suite.work import record_demonstrations, record_stills
from tasks.env import task_env
from vla.checkpoint import load_policy
from vla.processors import Processor
from vla.tiny import TinyConfig, TinyPolicy


def tiny(**changes: Any) -> TinyPolicy:
    """A policy with random weights that sees, for the table-top's arms."""
    rng = np.random.default_rng(0)
    processor = Processor.fit(["pick it up"], rng.normal(size=(9, 8)), rng.normal(size=(9, 4)))
    settings = {
        "state_dim": 8, "action_dim": 4, "robot": "panda", "control_mode": "ee_delta_pos",
        "width": 24, "depth": 2, "heads": 2, "stem_channels": 8, "num_keypoints": 4,
        "keypoint_tokens": 1, "text_width": 8,
    }  # fmt: skip
    torch.manual_seed(0)
    return TinyPolicy(TinyConfig(**settings | changes), processor).eval()


def reaching(repository) -> Any:
    """The shipped controller, which reaches."""
    return load_policy(repository / "assets/checkpoints/reach-ppo")


# -- rows ------------------------------------------------------------------------------------------


def outcomes(task: str, split: str, hits: list[int], **more: Any) -> list[Outcome]:
    return [
        Outcome(task, 5 + k, bool(hit), bool(hit), bool(hit), 3 if hit else -1, -1, split, **more)
        for k, hit in enumerate(hits)
    ]


def report(arms: dict[str, list[Outcome]], stages: dict[str, tuple[str, ...]]) -> Report:
    seen = next(iter(arms.values()))
    cells = list(dict.fromkeys((o.task, o.split) for o in seen))
    refused = [Refusal("Reach", "distractors", "task Reach has no distractors")]
    return Report(EvalConfig(("PickUp",)), ("oracle", "at_end"), cells, refused, stages, arms)


def test_rows_have_wilson_and_paired_intervals_stages_and_wrong_objects():
    base, better = [1, 0, 0, 0] * 25, [1, 1, 0, 0] * 25
    arms = {
        "baseline": outcomes("PickUp", "train", base) + outcomes("OpenDrawer", "train", base),
        "policy": outcomes("PickUp", "train", better, stages=("reached",), wrong_object=True)
        + outcomes("OpenDrawer", "train", base, stages=("reached", "opened")),
    }
    stages = {"PickUp": ("reached", "grasped"), "OpenDrawer": ("reached", "opened")}
    made = report(arms, stages)
    table = rows(made)
    assert [(r["task"], r["policy"]) for r in table] == [
        (t, a) for t in ("all", "PickUp", "OpenDrawer") for a in ("baseline", "policy")
    ]
    whole, pick = table[1], table[3]
    assert whole["episodes"] == 200 and whole["success"]["oracle"]["share"] == 0.375
    assert whole["wrong_object"]["share"] == 0.5 and whole["stages"] is None
    rate = wilson(50, 100)
    assert pick["success"]["at_end"] == {"share": 0.5, "low": rate.low, "high": rate.high}
    assert pick["stages"]["reached"]["share"] == 1 and pick["stages"]["grasped"]["share"] == 0
    change = pick["difference"]["oracle"]
    # the unpaired interval of the same rates is about +-13 points
    assert change["share"] == 0.25 and 0.16 < change["low"] < 0.25 < change["high"] < 0.34
    assert table[5]["difference"]["oracle"] == {"share": 0.0, "low": 0.0, "high": 0.0}
    assert "difference" not in table[0]
    text = markdown(made, table)
    assert "| train | PickUp | policy | 50.0 % [40.4, 59.6] |" in text
    assert "reached 100, grasped 0" in text and "policy - baseline | +25.0 [" in text
    assert "| Reach | distractors | task Reach has no distractors |" in text


def test_one_task_has_no_row_of_all_and_stages_not_looked_at_are_not_zero():
    made = report({"policy": outcomes("Hover", "", [1, 0])}, {"Hover": ()})
    (row,) = rows(made)
    assert row["task"] == "Hover" and row["stages"] is None and row["wrong_object"] is None
    assert "| everything | Hover |" in markdown(made, [row])


# -- what is offered -------------------------------------------------------------------------------


def test_what_a_task_does_not_offer_is_listed_unless_nothing_is_left():
    cells, refused = offered(EvalConfig(("Reach", "PickUp"), ("train", "distractors")))
    assert cells == [("Reach", "train"), ("PickUp", "train"), ("PickUp", "distractors")]
    assert [(r.task, r.split) for r in refused] == [("Reach", "distractors")]
    assert "Reach has no distractors" in refused[0].reason
    with pytest.raises(ConfigError, match="Reach has no distractors"):
        offered(EvalConfig(("Reach",), ("distractors",)))
    with pytest.raises(ConfigError, match="robot 'so101' reaches from"):
        offered(EvalConfig(("PickUp",), robot="so101"))
    with pytest.raises(UnknownNameError, match=r"split 'trian'.*Did you mean 'train'"):
        EvalConfig(("Reach",), ("trian",))


def test_a_camera_that_a_task_lacks_is_told_before_anything_is_rolled_out():
    with pytest.raises(UnknownNameError, match=r"camera 'side'.*front"):
        run({"policy": tiny(cameras=("side",))}, EvalConfig(("PickUp",), episodes=1))


# -- roll-outs -------------------------------------------------------------------------------------


def test_two_policies_from_the_same_starts(repository):
    config = EvalConfig(("Reach",), ("train", "positions"), episodes=5, num_envs=4)
    made = run({"baseline": tiny(), "policy": reaching(repository)}, config)
    assert made.stages == {"Reach": ("reached",)}
    for found in made.outcomes.values():
        assert [(o.split, o.seed) for o in found] == [
            (s, 5_000_000 + k) for s in config.splits for k in range(5)
        ]
    table = rows(made)
    for split in config.splits:
        base, ours = (r for r in table if r["split"] == split)
        assert base["success"]["at_end"]["share"] == 0 and ours["success"]["at_end"]["share"] == 1
        assert ours["difference"]["at_end"]["share"] == 1
        assert ours["stages"]["reached"]["share"] == 1
    facts = to_json(made, table, {"policy": "here", "baseline": "there"})
    assert len(facts["outcomes"]["policy"]) == 10 and facts["rows"] == table
    assert facts["config"]["episodes"] == 5 and facts["policies"]["policy"] == "here"


class Spy:
    """A policy that remembers what it did."""

    def __init__(self, policy: TinyPolicy) -> None:
        self.policy, self.config, self.chunk_size = policy, policy.config, policy.chunk_size
        self.chunks: list[torch.Tensor] = []

    def reset(self, mask: Any = None) -> None:
        self.policy.reset(mask)

    def act(self, obs: Any, instructions: Any, **options: Any) -> Any:
        chunk = self.policy.act(obs, instructions, **options)
        self.chunks.append(chunk.actions.clone())
        return chunk


@pytest.mark.slow
def test_films_repeat_the_episodes_that_failed(tmp_path):
    spy: Any = Spy(tiny(cameras=("front", "wrist")))
    config = EvalConfig(("PickUp",), ("positions",), episodes=5, num_envs=3)
    rollout = rollout_config(spy, config)
    found = watch(spy, "PickUp", config.seeds, rollout, "positions")
    assert not any(o.oracle for o in found)
    acted, spy.chunks = spy.chunks, []
    facts = film_failures(spy, config, found, 4, tmp_path)
    # two batches, action for action as they were judged
    assert len(acted) == len(spy.chunks)
    assert all(torch.equal(a, b) for a, b in zip(acted, spy.chunks, strict=True))
    assert [f["seed"] for f in facts] == [5_000_000 + k for k in range(4)]
    for fact, outcome in zip(facts, found, strict=False):
        assert fact["repeated"] and tuple(fact["stages"]) == outcome.stages
        assert fact["file"] == f"PickUp-positions-{outcome.seed}.mp4"
        frames = [image for _, image in iterate_video(tmp_path / fact["file"])]
        assert len(frames) == 49 and frames[0].shape[1] == 2 * HEIGHT
    env = task_env("PickUp", 1, seed=5_000_003, task_options={"split": "positions"})
    assert facts[3]["instruction"] == env.instructions[0]
    first = next(iterate_video(tmp_path / facts[3]["file"]))[1]
    for k, camera in enumerate(("front", "wrist")):
        true = env.world.render(camera, [0], (HEIGHT, HEIGHT))[0].astype(int)
        shown = first[:HEIGHT, k * HEIGHT : (k + 1) * HEIGHT].astype(int)
        assert np.abs(true - shown).mean() < 3
    env.close()


def test_a_film_says_when_a_stage_was_reached(repository):
    policy = reaching(repository)
    config = RolloutConfig(3, cameras=())
    seeds = range(5_000_000, 5_000_003)
    found = watch(policy, "Reach", seeds, config)
    films = film(policy, "Reach", list(seeds), [2, 0], config)
    for made, outcome in zip(films, (found[2], found[0]), strict=True):
        assert made.success.argmax() == outcome.success_step + 1  # the first picture is the start
        assert made.stages == ["reached"] and not made.wrong_object.any()
        assert made.reached[:, 0].argmax() <= made.success.argmax()
        assert len(made.frames) == 31 and made.fps == 10
    pages = captioned(films[0])
    assert pages.shape[2] == HEIGHT and (pages[0, :HEIGHT] == films[0].frames[0]).all()
    before, after = pages[0, HEIGHT:], pages[-1, HEIGHT:]
    assert not np.array_equal(before, after)  # the box before the stage is ticked


def test_captions_are_broken_where_they_would_not_fit():
    text = words_of("put the red block in the bin and then close the drawer", (255, 255, 255))
    wide, narrow = (caption([text], width, (0, 0, 0)) for width in (600, 120))
    assert wide.shape == (LINE_HEIGHT + 2 * MARGIN, 600, 3)
    lines = (narrow.shape[0] - 2 * MARGIN) // LINE_HEIGHT
    assert lines >= 3 and narrow.shape[1] == 120
    assert (narrow[:, -2:] == 0).all()  # nothing runs over the edge
    assert all(
        narrow[MARGIN + k * LINE_HEIGHT : MARGIN + (k + 1) * LINE_HEIGHT].any()
        for k in range(lines)
    )


# -- what is trained on ----------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["PickUp", "StackTwo"])
def test_training_data_of_the_train_split_says_so_and_has_its_starts(task, tmp_path):
    seeds = [1_000_000, 1_000_001]
    rolled = collect(
        task, seeds, RolloutConfig(2, 0, cameras=("front",)), policy=None, source="expert",
        split="train",
    )  # fmt: skip
    write_dataset(tmp_path / "d", rolled)
    dataset = Dataset(tmp_path / "d")
    assert [e.info["split"] for e in dataset.episodes] == ["train", "train"]
    env = task_env(task, 2, seed=1_000_000, task_options={"split": "train"})
    assert [e.instruction for e in dataset.episodes] == env.instructions
    recorded = [e["sim_state"][0] for e in dataset.load_all(["sim_state"], cameras=[])]
    np.testing.assert_array_equal(np.stack(recorded), env.world.get_state())
    env.close()


@pytest.mark.parametrize(("scene", "task"), [("reach", "Reach"), ("workbench", "PressButton")])
def test_the_suite_bench_learns_from_the_train_split_alone(scene, task, tmp_path):
    config = SuiteConfig(
        {scene: (task,)}, demonstrations=(2,), seeds=(0,), stills=3, scene_stills=3
    )
    record_stills(config, task, tmp_path)
    record_demonstrations(config, task, 0, tmp_path)
    for kind, purpose in (("demonstrations-0", "demonstrations"), ("stills", "stills")):
        dataset = Dataset(tmp_path / "recorded" / task / kind)
        assert [e.info["split"] for e in dataset.episodes] == ["train"] * len(dataset.episodes)
        seeds = {e.info["seed"] for e in dataset.episodes}
        assert seeds <= set(config.start_seeds(purpose, task, 10_000))
        assert not seeds & set(config.start_seeds("test", task, 10_000))
        last = set(TASKS.get(task).templates.templates[-1].split())
        for episode in dataset.episodes:  # the paraphrase for tests is never said
            assert len(last - set(episode.instruction.split())) > 1
