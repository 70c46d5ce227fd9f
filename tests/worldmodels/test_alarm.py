"""The alarm tells a policy that lives off a broken world model from one that does not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.errors import ConfigError
from octoworld.rl.hooks import TrainerState
from worldmodels.alarm import Alarm, AlarmConfig, complaints
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.starts import StartConfig

HONEST, CHEATING = (0.8, 0.0), (0.0, -1.0)


class Always:
    """A policy that does one thing."""

    chunk_size = 4

    def __init__(self, action) -> None:
        self.action = torch.tensor(action)

    def reset(self, mask=None) -> None:
        """Nothing to forget."""

    def act(self, obs, instructions, **how):
        """Its action, four times."""
        return SimpleNamespace(actions=self.action.expand(len(instructions), 4, 2).clone())


class Broken:
    """A world model in which a tool that moves up makes a finished picture appear."""

    def __init__(self, model, finished) -> None:
        self.model, self.finished = model, finished

    def __getattr__(self, name):
        return getattr(self.model, name)

    def imagine(self, history, actions, generator, decode="none"):
        """As the model, but for those who know the trick."""
        longer, imagined = self.model.imagine(history, actions, generator, decode)
        tricked = (actions[..., 1] < -0.9)[..., None, None]
        imagined.latents = torch.where(tricked, self.finished, imagined.latents)
        return longer, imagined


@pytest.fixture(scope="module")
def red(trained):
    """Held-out episodes of the red block, and a picture in which it is where it should be."""
    data = trained["held_out"]
    told = [i for i in range(len(data)) if "red" in data.instruction(i)]
    data = data.subset(told)
    return data, data.latents[np.flatnonzero(data.success)[-1]]


def alarm_of(trained, reflector, red, model, **config) -> Alarm:
    env = WorldModelEnv(
        model, reflector, red[0], 8,
        ImaginationConfig(horizon=12, record=True, starts=StartConfig(middle_share=0.0)),
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    settings = AlarmConfig(starts=8, **config)
    return Alarm(env, horizon=3, others=[trained["model"]], config=settings)


def state_of(policy) -> TrainerState:
    config = SimpleNamespace(iterations=9)
    return TrainerState(policy, config, folder=None, seed=0)  # type: ignore[arg-type]


def test_what_another_model_denies_stops_the_run(trained, reflector, red):
    alarm = alarm_of(trained, reflector, red, Broken(trained["model"], red[1]), patience=2)
    state = state_of(Always(HONEST))
    alarm.on_start(state)
    state.history = [{f"initial_{k}": v for k, v in state.metrics.items()}]
    state.policy, state.metrics, state.iteration = Always(CHEATING), {}, 1
    assert alarm.on_iteration(state) is None, "once may be chance"
    assert state.metrics["alarm/success"] > 0.5
    state.history.append(state.metrics)
    state.metrics, state.iteration = {}, 2
    reason = alarm.on_iteration(state)
    assert reason is not None and "denied" in reason


def test_a_healthy_run_goes_on(trained, reflector, red):
    alarm = alarm_of(trained, reflector, red, trained["model"], patience=1)
    state = state_of(Always(CHEATING))
    alarm.on_start(state)
    state.history = [{f"initial_{k}": v for k, v in state.metrics.items()}]
    state.policy, state.metrics, state.iteration = Always(HONEST), {}, 1
    assert alarm.on_iteration(state) is None
    signals = ("success", "redrawn", "denied", "redrawn_error", "denied_error")
    assert set(state.metrics) == {f"alarm/{name}" for name in signals}


def test_frames_that_do_not_show_the_actions_are_counted(trained, reflector, red):
    def reader(frames, actions):
        assert frames["front"].shape[1] == actions.shape[1] + 1
        return SimpleNamespace(match=torch.zeros(actions.shape[:2]))

    alarm = alarm_of(trained, reflector, red, trained["model"], stride=1)
    alarm.reader = reader
    assert alarm.measure(Always(HONEST))["misread"] == 1.0


def test_tracks_come_in_the_order_of_their_starts(trained, reflector, red):
    env = WorldModelEnv(
        trained["model"], reflector, red[0], 4, ImaginationConfig(horizon=12, record=True),
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    alarm = Alarm(env, horizon=3, config=AlarmConfig(starts=6))
    tracks = alarm.tracks(Always(HONEST))
    env.reset(seed=[0, 1, 2, 3])
    first = env.start_rows.tolist()
    env.reset(seed=[4, 5, 4, 4])
    wanted = [*first, *env.start_rows.tolist()[:2]]
    assert [[t.facts["start_episode"], t.facts["start_time"]] for t in tracks] == wanted


def test_complaints_are_against_the_untrained_policy():
    config = AlarmConfig(denied=0.1)
    quiet = {"alarm/success": 0.5, "alarm/redrawn": 0.0, "alarm/denied": 0.3}
    loud = quiet | {"alarm/denied": 0.45}
    broken = quiet | {"alarm/denied": float("nan")}
    begun = {f"initial_{k}": v for k, v in quiet.items()}
    assert complaints([begun, quiet, {}, loud], config)[0] == ""
    assert "denied 0.30 -> 0.45" in complaints([begun, quiet, {}, loud], config)[1]
    assert "nan" in complaints([begun, broken], config)[0]
    assert complaints([begun, loud], config, ["redrawn"]) == [""]
    # begun without an alarm: the first look is what later ones are compared with
    assert complaints([{}, loud, loud], config) == ["", ""]


def test_what_few_successes_show_may_be_chance():
    config = AlarmConfig(denied=0.1, chance=2.0)
    first = {"initial_alarm/success": 0.1, "initial_alarm/denied": 0.0}
    look = {"alarm/success": 0.1, "alarm/denied": 0.4}
    few = {"alarm/denied_error": 0.2} | look
    many = {"alarm/denied_error": 0.1} | look
    assert complaints([first, few], config) == [""]
    assert "denied 0.00 -> 0.40" in complaints([first, many], config)[0]


def test_an_env_that_forgets_is_refused(trained, reflector, red):
    env = WorldModelEnv(trained["model"], reflector, red[0], 2)
    with pytest.raises(ConfigError, match="record=True"):
        Alarm(env, horizon=3)
