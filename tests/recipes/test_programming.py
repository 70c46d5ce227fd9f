"""Programmers of households: lessons, answers as decisions, feedback, and tests that go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.fit import FitConfig
from octoworld.core.io import read_json
from octoworld.core.log import read_metrics
from octoworld.recipes.programming.answer_env import AnswerEnv
from octoworld.recipes.programming.job import FeedbackConfig, TeachConfig, reinforce, teach
from octoworld.recipes.programming.lessons import lessons_in, lessons_of
from octoworld.recipes.programming.testing import agent_of, play, store, summary, table
from tasks.household import Household, household_split, solve
from tests.vla.hf.families import build
from vla.programmer import (
    ChatAgent, Message, Reply, ScriptedModel, make_runner, parse_answer, read_episodes,
)
from vla.programmer.hf import HfProgrammerConfig, Lesson, train_programmer
from vla.programmer.hf.model import IMAGES, SHOWN, HfProgrammer

TRAIN = household_split("train")
