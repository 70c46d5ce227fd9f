"""A student draws in one step what its teacher draws in several."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig
from worldmodels.conditioning import gaussian
from worldmodels.flow import DistillConfig, distill_flow, with_steps
from worldmodels.flow.sampling import euler
from worldmodels.replay import start_rows

CONFIG = DistillConfig(
    steps=1, teacher_steps=4, chunks=1,
    fit=FitConfig(steps=60, batch_size=16, learning_rate=1e-3, warmup_steps=5, ema_decay=0.9),
)  # fmt: skip


@torch.no_grad()
def apart(model, steps, teacher, data) -> float:
    """How far a model's sample is from the teacher's, from the same noise, in held-out moments."""
    rows = start_rows(data, np.arange(16), np.full(16, 4), model.context_length)
    history = model.start(data.clip(rows))
    actions = data.actions[rows[:, -1:] + torch.arange(4)]
    noise = model.settings.noise_scale * gaussian(
        (16, 4, *history.latents.shape[2:]), torch.Generator().manual_seed(0), history.latents
    )
    drawn = euler(model.foresee(history, actions).predict, noise, steps)
    wanted = euler(teacher.foresee(history, actions).predict, noise, 4)
    return float((drawn - wanted).pow(2).mean().sqrt())


@pytest.fixture(scope="module")
def student(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled")
    return distill_flow(trained["model"], trained["dataset"], CONFIG, folder, seed=0)[0]


def test_one_step_comes_nearer_to_the_teachers_sample(trained, student):
    teacher, data = trained["model"], trained["held_out"]
    assert student.settings.sampling_steps == 1
    assert apart(student, 1, teacher, data) < 0.8 * apart(teacher, 1, teacher, data)


def test_only_the_transformer_learned_and_the_teacher_is_as_it_was(trained, student):
    teacher = with_steps(trained["model"], 4)
    changed = {
        name.split(".")[0]
        for (name, a), b in zip(
            student.state_dict().items(), teacher.state_dict().values(), strict=True
        )
        if not torch.equal(a, b)
    }
    assert changed == {"transformer"}


@pytest.mark.parametrize(("steps", "of"), [(0, 4), (4, 4)])
def test_a_student_takes_fewer_steps(steps, of):
    with pytest.raises(ConfigError, match="fewer than the teacher's 4"):
        DistillConfig(steps=steps, teacher_steps=of)
