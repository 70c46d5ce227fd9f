"""The trainer learns, resumes to the same bits, selects, stops, and refuses mismatches."""

from dataclasses import replace

import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError, DivergenceError
from octoworld.core.io import load_tensors, read_json
from octoworld.core.log import read_metrics
from octoworld.rl import Evaluate, Hook, TrainerConfig, Tripwire, evaluate, train

SHORT = TrainerConfig(
    iterations=4, group_size=4, num_groups=4, max_groups=8, horizon=6, returns="success",
    learning_rate=1e-2,
)  # fmt: skip
TEST_STARTS = range(200_000, 200_200)


class KilledError(Exception):
    pass


class KillAt(Hook):
    def __init__(self, iteration):
        self.iteration = iteration

    def on_rollouts(self, state, rollouts):
        if state.iteration == self.iteration:
            raise KilledError
        return rollouts


def _weights(policy):
    return torch.cat([v.flatten() for v in policy.state_dict().values()])


def test_it_learns_to_reach(make_env, make_policy, tmp_path):
    policy = make_policy()
    # a policy that drifts towards the target but too slowly: some starts are won by luck
    with torch.no_grad():
        policy.head.weight.mul_(0.1)
    test = make_env(200)
    before = evaluate(test, policy, TEST_STARTS, horizon=6).success_rate
    config = TrainerConfig(
        iterations=60, group_size=8, num_groups=16, max_groups=16, horizon=6, returns="success",
        learning_rate=1e-2, epochs=2, minibatch_size=256, discount=0.97, min_group_std=0.01,
    )  # fmt: skip
    history = train(make_env(128), policy, config, tmp_path, seed=1)
    after = evaluate(test, policy, TEST_STARTS, horizon=6).success_rate
    assert before < 0.45
    assert after > 0.8
    assert history[-1]["rl/success"] > history[0]["rl/success"] + 0.2
    assert history[0]["rl/num_decisions"] > 0
    assert {"rl/return", "rl/live_share", "rl/ratio_clip_share", "rl/log_scale"} <= set(history[0])


def test_killed_run_resumes_to_the_same_bits(make_env, make_policy, tmp_path):
    whole, broken = make_policy(), make_policy()
    train(make_env(16), whole, SHORT, tmp_path / "whole", seed=3)
    with pytest.raises(KilledError):
        train(make_env(16), broken, SHORT, tmp_path / "broken", seed=3, hooks=[KillAt(2)])
    again = make_policy(seed=9)  # whatever it held, the checkpoint replaces
    history = train(make_env(16), again, SHORT, tmp_path / "broken", seed=3)
    assert torch.equal(_weights(whole), _weights(again))
    assert not torch.equal(_weights(whole), _weights(make_policy()))
    assert history == read_metrics(tmp_path / "whole" / "metrics.jsonl")


def test_finished_run_is_not_run_again(make_env, make_policy, tmp_path):
    policy = make_policy()
    train(make_env(16), policy, SHORT, tmp_path, seed=3)
    env = make_env(16)
    again = make_policy(seed=9)
    history = train(env, again, SHORT, tmp_path, seed=3)
    assert env.true_episodes == 0
    assert len(history) == 4
    assert torch.equal(_weights(policy), _weights(again))


def test_true_interaction_is_counted_over_kills(make_env, make_policy, tmp_path):
    with pytest.raises(KilledError):
        train(make_env(16), make_policy(), SHORT, tmp_path, seed=3, hooks=[KillAt(2)])
    history = train(make_env(16), make_policy(), SHORT, tmp_path, seed=3)
    waves = sum(row["rl/num_groups"] for row in history) / 4
    assert history[-1]["rl/true_episodes"] == waves * 16
    assert read_json(tmp_path / "outcome.json")["true_episodes"] == waves * 16


def test_best_policy_is_kept_and_the_untrained_is_a_candidate(make_env, make_policy, tmp_path):
    class Score(Hook):
        def on_start(self, state):
            state.score = 0.5

        def on_iteration(self, state):
            state.score = {1: 0.4, 2: 0.9, 3: 0.2, 4: 0.9}[state.iteration]
            kept[state.iteration] = _weights(state.policy).clone()

    kept, policy = {}, make_policy()
    train(make_env(16), policy, SHORT, tmp_path, seed=3, hooks=[Score()])
    assert torch.equal(_weights(policy), kept[2])
    assert not torch.equal(kept[2], kept[4])
    outcome = read_json(tmp_path / "outcome.json")
    assert (outcome["best_iteration"], outcome["best_score"]) == (2, 0.9)


def test_best_policy_survives_a_kill(make_env, make_policy, tmp_path):
    class Score(Hook):
        def on_iteration(self, state):
            state.score = 1.0 if state.iteration == 1 else 0.0
            kept.setdefault(state.iteration, _weights(state.policy).clone())

    kept, policy = {}, make_policy()
    with pytest.raises(KilledError):
        train(make_env(16), policy, SHORT, tmp_path, seed=3, hooks=[KillAt(3), Score()])
    train(make_env(16), policy, SHORT, tmp_path, seed=3, hooks=[Score()])
    assert torch.equal(_weights(policy), kept[1])


class Distrust(Hook):
    """The scores rise and rise, but from the third update on they are not believed."""

    def __init__(self, kept):
        self.kept = kept

    def on_start(self, state):
        state.score, state.sound = 0.0, True

    def on_iteration(self, state):
        state.score, state.sound = 0.1 * state.iteration, state.iteration < 3
        self.kept.setdefault(state.iteration, _weights(state.policy).clone())
        return "not believed" if state.iteration == 4 else None


@pytest.mark.parametrize("killed_at", [None, 2, 3])
def test_a_halted_run_ends_with_the_last_trusted_policy(make_env, make_policy, tmp_path, killed_at):
    kept, policy = {}, make_policy()
    longer = replace(SHORT, iterations=6)
    if killed_at is not None:
        with pytest.raises(KilledError):
            hooks = [KillAt(killed_at), Distrust(kept)]
            train(make_env(16), make_policy(), longer, tmp_path, seed=3, hooks=hooks)
    history = train(make_env(16), policy, longer, tmp_path, seed=3, hooks=[Distrust(kept)])
    assert len(history) == 4
    assert torch.equal(_weights(policy), kept[2])
    outcome = read_json(tmp_path / "outcome.json")
    assert (outcome["stopped"], outcome["best_iteration"]) == ("not believed", 2)
    again = make_policy()
    assert len(train(make_env(16), again, longer, tmp_path, seed=3, hooks=[Distrust({})])) == 4
    assert torch.equal(_weights(again), kept[2]), "a halted run does not train on"


def test_a_policy_that_is_not_trusted_is_no_candidate(make_env, make_policy, tmp_path):
    class Once(Hook):
        def on_iteration(self, state):
            state.score, state.sound = 1.0 / state.iteration, state.iteration > 1

    train(make_env(16), make_policy(), SHORT, tmp_path, seed=3, hooks=[Once()])
    assert read_json(tmp_path / "outcome.json")["best_iteration"] == 2


def test_evaluation_hook_writes_and_selects(make_env, make_policy, tmp_path):
    hook = Evaluate(make_env(8), range(20), horizon=6, every=2, select=True)
    history = train(make_env(16), make_policy(), SHORT, tmp_path, seed=3, hooks=[hook])
    assert "initial_validation/success" in history[0]
    assert ["validation/success" in row for row in history] == [False, True, False, True]
    assert read_json(tmp_path / "outcome.json")["best_score"] is not None


def test_tripwire_stops_the_run_for_good(make_env, make_policy, tmp_path):
    class Gap(Hook):
        def on_iteration(self, state):
            state.metrics["gap"] = 0.1 * state.iteration

    hooks = [Gap(), Tripwire("gap", high=0.15, patience=2)]
    history = train(make_env(16), make_policy(), SHORT, tmp_path, seed=3, hooks=hooks)
    assert len(history) == 3
    assert "gap" in read_json(tmp_path / "outcome.json")["stopped"]
    assert len(train(make_env(16), make_policy(), SHORT, tmp_path, seed=3, hooks=hooks)) == 3


def test_waves_are_collected_until_enough_groups_teach(make_env, make_policy, tmp_path):
    config = TrainerConfig(
        iterations=1, group_size=4, num_groups=4, max_groups=12, horizon=1, returns="success"
    )
    env = make_env(16, radius=0.0)  # nothing can succeed: every group is dead
    policy = make_policy()
    history = train(env, policy, config, tmp_path, seed=0)
    assert env.true_episodes == 48
    assert history[0]["rl/live_share"] == 0
    assert history[0]["rl/num_updates"] == 0
    assert torch.equal(_weights(policy), _weights(make_policy()))


def test_frozen_weights_stay(make_env, make_policy, tmp_path):
    policy = make_policy()
    policy.layer.requires_grad_(False)
    train(make_env(16), policy, SHORT, tmp_path, seed=3)
    assert torch.equal(policy.layer.weight, make_policy().layer.weight)
    assert not torch.equal(policy.head.weight, make_policy().head.weight)


def test_anchor_and_reference_hold_the_policy_back(make_env, make_policy, tmp_path):
    config = TrainerConfig(
        iterations=4, group_size=4, num_groups=4, max_groups=4, horizon=6, returns="success",
        learning_rate=1e-3, anchor_weight=100.0, kl_weight=1000.0, warmup_iterations=1, epochs=8,
    )  # fmt: skip

    def distance(policy):
        pairs = zip(policy.parameters(), make_policy().parameters(), strict=True)
        return torch.stack([(p - q.detach()).square().sum() for p, q in pairs]).sum()

    def moved(name, policy, **options):
        train(make_env(16, radius=0.5), policy, config, tmp_path / name, seed=3, **options)
        return distance(policy).item()

    free = moved("free", make_policy())
    anchored = make_policy()
    assert moved("anchor", anchored, anchor=lambda generator: distance(anchored)) < 0.5 * free
    assert moved("reference", make_policy(), reference=make_policy()) < 0.5 * free


def test_mismatched_observations_are_refused(make_env, make_policy, tmp_path):
    policy = make_policy()
    seen = policy.log_prob

    def shifted(obs, instructions, raw_actions, temperature=1.0):
        obs = {k: v + 0.5 for k, v in obs.items()}
        return seen(obs, instructions, raw_actions, temperature)

    policy.log_prob = shifted
    # sampling uses the shifted density too, so give it the honest one
    policy.act = lambda obs, i, **k: _honest(policy, seen, obs, i, **k)
    with pytest.raises(ConfigError, match="ratio is off 1"):
        train(make_env(16, radius=0.5), policy, SHORT, tmp_path, seed=3)


def _honest(policy, log_prob, obs, instructions, *, temperature, generator):
    chunk = type(policy).act(
        policy, obs, instructions, temperature=temperature, generator=generator
    )
    chunk.log_prob = log_prob(obs, instructions, chunk.raw_actions, temperature)
    return chunk


def test_diverged_weights_are_never_stored(make_env, make_policy, tmp_path):
    poison = [1.0, 1.0, float("nan")]

    def anchor(generator):
        return torch.tensor(poison.pop(0) if len(poison) > 1 else poison[0])

    config = replace(SHORT, epochs=1, minibatch_size=10_000)
    with pytest.raises(DivergenceError, match="anchor_loss is nan in iteration 2"):
        train(make_env(16, radius=0.5), make_policy(), config, tmp_path, seed=3, anchor=anchor)
    assert load_tensors(tmp_path / "state.safetensors")["iteration"] == 2


def test_mistakes_are_named(make_env, make_policy, tmp_path):
    with pytest.raises(ConfigError, match="group_size"):
        train(make_env(15), make_policy(), SHORT, tmp_path, seed=0)
    with pytest.raises(ConfigError, match="num_groups"):
        TrainerConfig(num_groups=9, max_groups=8)
    with pytest.raises(ConfigError, match="start_range"):
        TrainerConfig(start_range=(5, 5))
    train(make_env(16), make_policy(), SHORT, tmp_path, seed=0)
    with pytest.raises(CheckpointError, match="another policy"):
        train(make_env(16), make_policy(chunk_size=3), SHORT, tmp_path, seed=0)
