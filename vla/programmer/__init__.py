"""Agents that act by writing programs, and the runners that carry out what they wrote.

A model is shown a scene (`View`) and answers with a plan and a program (`Answer`). The program runs
in an interpreter that has no object of ours in it (`Runner`); each call of a skill suspends it, the
scene carries the call out, and the result goes back. What happened is told to the model in words.

    runner = make_runner("grammar", Limits(calls=40))
    agent = ChatAgent(Endpoint(EndpointConfig("qwen3-vl", "http://localhost:11434/v1")), "retry")
    record = run_episode(scene, agent, runner, log=EpisodeLog("episodes.jsonl"))
"""

from .agent import Agent, ChatAgent, View
from .answer import Answer, Problem, parse_answer
from .cassette import Cassette
from .chat import ChatModel, Message, Reply
from .endpoint import Endpoint, EndpointConfig
from .episode import replay_programs, run_episode
from .execution import (
    DoneCall,
    Execution,
    Moment,
    branch_program,
    describe_execution,
    run_program,
)
from .language.manual import describe_language
from .limits import Limits
from .record import EpisodeLog, EpisodeRecord, Turn, read_episodes
from .runner import RUNNERS, Runner, make_runner
from .scene import Observation, Result, Scene
from .skills import Skill, Skills, describe_skills
from .steps import ERROR_KINDS, Call, ErrorKind, Failed, Finished, Step, Usage
from .strategies import STRATEGIES, Strategy

__all__ = [
    "ERROR_KINDS",
    "RUNNERS",
    "STRATEGIES",
    "Agent",
    "Answer",
    "Call",
    "Cassette",
    "ChatAgent",
    "ChatModel",
    "DoneCall",
    "Endpoint",
    "EndpointConfig",
    "EpisodeLog",
    "EpisodeRecord",
    "ErrorKind",
    "Execution",
    "Failed",
    "Finished",
    "Limits",
    "Message",
    "Moment",
    "Observation",
    "Problem",
    "Reply",
    "Result",
    "Runner",
    "Scene",
    "Skill",
    "Skills",
    "Step",
    "Strategy",
    "Turn",
    "Usage",
    "View",
    "branch_program",
    "describe_execution",
    "describe_language",
    "describe_skills",
    "make_runner",
    "parse_answer",
    "read_episodes",
    "replay_programs",
    "run_episode",
    "run_program",
]
