"""Agents at work in the house: strategies, feedback, trouble with the model, records and replay."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from octoworld.core.errors import DatasetError, UnknownNameError
from vla.programmer import (
    STRATEGIES,
    Cassette,
    ChatAgent,
    Endpoint,
    EndpointConfig,
    EpisodeLog,
    EpisodeRecord,
    Limits,
    Message,
    Problem,
    Reply,
    make_runner,
    read_episodes,
    replay_programs,
    run_episode,
)

from .fake_endpoint import FakeEndpoint, says
from .house import FETCH, House


def fenced(program: str, plan: str = "do it") -> str:
    return f"Plan: {plan}\n```python\n{program.rstrip()}\n```"


class Script:
    """A model that gives prepared answers and keeps what it was asked."""

    name = "script"

    def __init__(self, *answers: str | Problem) -> None:
        self.answers: Iterator[str | Problem] = iter(answers)
        self.asked: list[list[Message]] = []

    def complete(self, messages: Sequence[Message]) -> Reply | Problem:
        self.asked.append(list(messages))
        answer = next(self.answers)
        return Reply(answer) if isinstance(answer, str) else answer


def play(
    model: Script, strategy: str, house: House | None = None, limits: Limits | None = None
) -> EpisodeRecord:
    return run_episode(house or House(), ChatAgent(model, strategy), make_runner(limits=limits))


def test_one_program_does_the_task() -> None:
    record = play(Script(fenced(FETCH, "look everywhere")), "single_turn")
    assert (record.success, record.progress, record.ended) == (True, 1.0, "program")
    assert record.turns[0].answer.plan == "look everywhere"
    assert len(record.calls) == 11


def test_the_prompt_tells_skills_language_task_and_pictures() -> None:
    model = Script(fenced("look()"))
    play(model, "single_turn")
    system, user = model.asked[0]
    for told in ("pick(thing) -> bool: take a thing", "Programs are written in", "```python"):
        assert told in system.text
    assert user.text.startswith("Task: Put the mug on the table.")
    assert "You are at the sofa and hold None." in user.text
    assert [name for name, _ in user.images] == ["ahead"]


def test_retry_reads_what_happened_and_mends_it() -> None:
    model = Script(fenced("go_to('drawer')\npick('mug')"), fenced("open('drawer')\npick('mug')"))
    record = play(model, "retry")
    assert [turn.ok for turn in record.turns] == [False, True]
    told = model.asked[1][-1].text
    assert "line 1: go_to('drawer'): ok, at the drawer (6.0 s)" in told
    assert "line 2: pick('mug'): FAILED: no mug is seen at the drawer (0.5 s)" in told
    assert "The program stopped at line 2: skill: no mug is seen at the drawer" in told
    assert [len(m.images) for m in model.asked[1] if m.role == "user"] == [0, 1]


def test_the_control_is_not_told() -> None:
    model = Script(fenced("pick('mug')"), fenced("pick('mug')"), fenced("pick('mug')"))
    record = play(model, "retry_untold")
    assert len(record.turns) == STRATEGIES["retry"].turns == 3
    assert record.ended == "turns"
    assert all("FAILED" not in m.text for asked in model.asked for m in asked)


def test_react_does_one_call_at_a_time() -> None:
    calls = ["go_to('drawer')", "open('drawer')", "pick('mug')", "go_to('table')"]
    model = Script(*map(fenced, calls), fenced("place_on('table')\nlook()"), fenced("done()"))
    record = play(model, "react")
    assert record.success
    assert record.ended == "finished"
    assert [len(turn.execution.calls) for turn in record.turns if turn.execution] == [1] * 6
    assert record.turns[4].feedback.endswith("line 2: calls: more than 1 skill calls")


def test_plan_and_solve_asks_for_the_plan_first() -> None:
    model = Script("Look in the drawer.", fenced("pick('mug')"), fenced(FETCH))
    record = play(model, "plan_and_solve")
    assert record.success
    assert [asked[-1].text.splitlines()[-1] for asked in model.asked[:2]] == [
        "Write the plan only.",
        "Now write the program for this plan.",
    ]
    assert model.asked[2][-1].text.startswith("What your last program did:")


def test_an_unreadable_answer_is_recorded_and_the_episode_goes_on() -> None:
    model = Script("I am not sure.", fenced(FETCH))
    record = play(model, "retry")
    assert record.success
    assert record.turns[0].execution is None
    assert "Your answer had no program. no_program: no block of code" in model.asked[1][-1].text


def test_an_endpoint_that_comes_back_costs_a_turn() -> None:
    model = Script(Problem("timeout", "no answer within 5 s"), fenced(FETCH))
    record = play(model, "retry")
    assert record.success
    assert [m.role for m in model.asked[1]] == ["system", "user"]


def test_an_endpoint_that_stays_down_ends_the_episode() -> None:
    record = play(Script(Problem("down", "nobody"), Problem("html", "a page")), "react")
    assert (record.ended, record.success, len(record.turns)) == ("model", False, 2)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("while True:\n    pass", "steps"),
        ("while True:\n    look()", "calls"),
        ("while True:\n    go_to('drawer')\n    go_to('table')", "seconds"),
        ("import os", "unsupported"),
        ("fly('table')", "name"),
        ("go_to('moon')", "skill"),
    ],
)
def test_broken_programs_are_recorded(program: str, kind: str) -> None:
    limits = Limits(calls=30, seconds=50.0, steps=10_000)
    record = play(Script(fenced(program)), "single_turn", limits=limits)
    line = record.turns[0].as_dict()
    assert line["end"]["status"] == "failed"
    assert line["end"]["error"]["kind"] == kind


def test_budgets_hold_for_the_episode() -> None:
    model = Script(*[fenced("for i in range(9):\n    look()\npick('mug')")] * 9)
    record = play(model, "retry", limits=Limits(calls=15))
    assert [len(turn.execution.calls) for turn in record.turns if turn.execution] == [10, 5]
    assert record.ended == "budget"


def test_an_episode_is_lines_of_json(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path / "runs" / "episodes.jsonl")
    written = []
    for answers in (["?", fenced(FETCH)], [fenced("pick('mug')"), fenced("go_to('moon')"), "..."]):
        agent = ChatAgent(Script(*answers), "retry")
        written.append(
            run_episode(House(), agent, make_runner(), log=log, tags={"seed": len(written)})
        )
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    events = " ".join(line["event"] for line in lines)
    assert events == "episode turn turn end episode turn turn turn end"
    assert lines[0]["agent"] == "script retry"
    assert lines[5]["calls"][0] == {
        "skill": "pick", "args": ["mug"], "line": 1, "ok": False, "code": "IMPOSSIBLE",
        "message": "no mug is seen at the sofa", "value": None, "seconds": 0.5,
    }  # fmt: skip
    assert read_episodes(log.path) == written


def test_a_killed_run_leaves_what_it_did(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path / "episodes.jsonl")
    run_episode(House(), ChatAgent(Script(fenced(FETCH))), make_runner(), log=log)
    whole = log.path.read_text().splitlines()
    log.path.write_text("\n".join(whole[:2]) + '\n{"event": "e')
    (episode,) = read_episodes(log.path)
    assert episode.programs == [FETCH]
    assert episode.ended == ""


def test_damaged_records_are_named(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_text('{"event": "turn"}\n{}\n')
    with pytest.raises(DatasetError, match="line 1: no line of an episode"):
        read_episodes(path)
    with pytest.raises(DatasetError, match="does not exist"):
        read_episodes(tmp_path / "none")


@pytest.mark.parametrize("name", ["grammar", "monty"])
def test_a_record_replays_exactly(name: str) -> None:
    answers = [fenced("go_to('drawer')\npick('mug')"), fenced(FETCH)]
    runner = make_runner(name)
    record = run_episode(House(), ChatAgent(Script(*answers)), runner)
    house = House()
    again = replay_programs(house, runner, record.programs)
    assert again == [turn.execution for turn in record.turns]
    assert house.success
    runner.close()


def test_a_server_drives_an_episode() -> None:
    with FakeEndpoint(says(fenced("pick('mug')"), fenced(FETCH))) as fake:
        agent = ChatAgent(Endpoint(EndpointConfig("qwen3-vl", fake.base_url)), "retry")
        record = run_episode(House(), agent, make_runner())
    assert record.success
    assert record.turns[1].answer.tokens == (12, 34)
    seen = fake.requests[1]["messages"][-1]["content"]
    assert seen[1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert "FAILED: no mug is seen at the sofa" in seen[0]["text"]


def test_an_episode_on_a_cassette_needs_no_server(tmp_path: Path) -> None:
    with FakeEndpoint(says("Hm.", fenced(FETCH))) as fake:
        endpoint = Endpoint(EndpointConfig("qwen3-vl", fake.base_url))
        recorder = Cassette(tmp_path / "tape.json", endpoint, "record")
        recorded = run_episode(House(), ChatAgent(recorder), make_runner())
    player = Cassette(tmp_path / "tape.json")
    assert run_episode(House(), ChatAgent(player), make_runner()) == recorded
    assert recorded.success


def test_a_server_that_is_down_ends_an_episode() -> None:
    with FakeEndpoint(says("")) as fake:
        config = EndpointConfig("m", fake.base_url)
    record = run_episode(House(), ChatAgent(Endpoint(config)), make_runner())
    assert record.ended == "model"
    problem = record.turns[0].answer.problem
    assert problem is not None
    assert problem.kind == "down"


def test_unknown_strategies_are_named() -> None:
    with pytest.raises(UnknownNameError, match="plan_and_solve, react, retry"):
        ChatAgent(Script(), "hope")
