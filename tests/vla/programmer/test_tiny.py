"""The tiny programmer: its grammar, its probabilities, its eyes, its place in the agent loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.fit import FitConfig, fit
from vla.programmer import Observation, View, make_runner, run_episode
from vla.programmer.tiny import (
    EyeConfig,
    Grammar,
    GrammarConfig,
    Line,
    Seen,
    Stills,
    TinyAgent,
    TinyProgrammer,
    TinyProgrammerConfig,
    look,
    program_text,
    train_eye,
    understand,
)
from vla.programmer.tiny.model import IN_ROOM
from vla.programmer.tiny.tried import Tried
from vla.programmer.tiny.words import Words

from .house import SKILLS, House

GRAMMAR = GrammarConfig(
    {"open": "here", "close": "here", "pick": "thing", "place_on": "here"},
    nouns=("mug", "book", "milk"), adjectives=("red", "blue"),
)  # fmt: skip
PLACES = ("table", "fridge", "drawer", "sofa")
EYE = EyeConfig(image_size=(16, 16), channels=(8, 8, 16, 16), features=16)


def small(seed: int = 0) -> TinyProgrammer:
    torch.manual_seed(seed)
    names = ("open", "close", "pick", "place_on", "done", "mug", "book", "milk", "red", "blue")
    config = TinyProgrammerConfig(
        GRAMMAR, labels=("red", "blue", "red mug"), vocabulary=(*names, "go", "coffee_table"),
        eye=EYE, width=32, max_tokens=12,
    )  # fmt: skip
    return TinyProgrammer(config).eval()


def scenes(model: TinyProgrammer, count: int, pictures: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "features": torch.rand(count, pictures, model.eye.size, generator=generator),
        "pictures": torch.arange(pictures).expand(count, -1) < pictures - 1,
        "at": torch.arange(count) % 3 - 1,
        "mentioned": torch.zeros(count, pictures, dtype=torch.long),
        "words": torch.tensor([model.read("pick the red mug")] * count),
    }


def test_tokens_and_calls_are_two_ways_of_saying_the_same():
    grammar = Grammar(GRAMMAR)
    lines = [
        Line("go_to", ("drawer",)), Line("open", ("drawer",)), Line("pick", ("red mug",)),
        Line("go_to", ("table",)), Line("place_on", ("table",)), Line("done"),
    ]  # fmt: skip
    tokens = grammar.tokens(lines, PLACES)
    assert grammar.lines(tokens, PLACES) == lines
    assert program_text(lines).splitlines()[2] == "pick('red mug')"
    for wrong in (Line("open", ("sofa",)), Line("pick", ("lamp",)), Line("fly")):
        with pytest.raises(ConfigError, match="cannot say"):
            grammar.tokens([Line("go_to", ("drawer",)), wrong], PLACES)
    # `here` needs a place: at first there is none, unless the robot is at one
    assert grammar.tokens([Line("open", ("sofa",))], PLACES, at="sofa")
    start = grammar.start(torch.tensor([False, True]))
    allowed = grammar.mask(start, torch.ones(2, 4, dtype=torch.bool))
    assert allowed[:, grammar.index["open"]].tolist() == [False, True]


def test_words_of_a_grammar_differ():
    with pytest.raises(ConfigError, match="mug"):
        GrammarConfig({"pick": "thing"}, nouns=("mug", "mug"))


def test_whatever_is_drawn_is_a_program():
    model, house = small(), House()
    runner = make_runner("grammar")
    obs = scenes(model, 64)
    written = model.write(Seen.of(obs), temperature=2.0, generator=torch.Generator().manual_seed(0))
    for row, tokens in enumerate(written.tokens.tolist()):
        assert max(tokens) < model.grammar.size + 4  # the fifth picture is not there
        at = PLACES[obs["at"][row]] if obs["at"][row] >= 0 else ""
        program = program_text(model.grammar.lines(tokens, PLACES, at))
        step = runner.start(program, house.skills)
        assert getattr(step, "kind", "") == "", program


def test_what_acts_is_what_learns():
    model = small()
    obs = scenes(model, 3)
    obs = {k: v.repeat_interleave(4, 0) for k, v in obs.items()}
    obs["scene"] = torch.tensor([7] * 4 + [5] * 4 + [9] * 4)
    generator = torch.Generator().manual_seed(0)
    written = model.act(obs, [""] * 12, temperature=1.3, generator=generator)
    again = model.log_prob(obs, [""] * 12, written.raw_actions, temperature=1.3)
    torch.testing.assert_close(again.detach(), written.log_prob, atol=1e-5, rtol=0)
    assert ((written.tokens >= 0) == (written.log_prob < 0)).all()
    # the probabilities of all first tokens add up to one
    seen = Seen.of(obs, torch.tensor([0]))
    first = torch.arange(model.grammar.size + 5)[:, None]
    allowed = model.grammar.mask(model.grammar.start(seen.at >= 0), seen.pictures)[0]
    chance = model.token_log_prob(seen, first, torch.zeros(len(first), dtype=torch.long)).exp()
    assert float(chance[allowed, 0].sum().detach()) == pytest.approx(1, abs=1e-5)
    assert not chance[~allowed, 0].any()


def test_programs_go_on_from_beginnings_that_they_did_not_draw():
    model = small()
    obs = scenes(model, 2)
    begun = torch.full((2, 12), -1)
    begun[:, 0] = model.grammar.size + 1
    written = model.write(Seen.of(obs), temperature=1.0, beginnings=begun)
    assert (written.tokens[:, 0] == model.grammar.size + 1).all()
    assert not written.chosen[:, 0].any() and written.chosen[:, 1].all()


def colored(model: TinyProgrammer, count: int, seed: int) -> tuple[Seen, torch.Tensor]:
    """Four pictures, one red, among blue ones; the program goes to it and ends."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.randint(4, (count,), generator=generator)
    images = torch.randint(0, 60, (count, 4, 16, 16, 3), generator=generator).to(torch.uint8)
    images[..., 2] += 150
    rows = torch.arange(count)
    images[rows, where] = images[rows, where].flip(-1)
    seen = Seen(
        model.eye(images.flatten(0, 1)).unflatten(0, (count, 4)),
        torch.ones(count, 4, dtype=torch.bool), torch.full((count,), -1),
        torch.zeros(count, 4, dtype=torch.long), torch.tensor([model.read("go to red")] * count),
    )  # fmt: skip
    end = torch.full((count,), model.grammar.index["done"])
    return seen, torch.stack([model.grammar.size + where, end], 1)


def small_things(count: int, seed: int) -> Stills:
    """One thing of 4 x 4 pixels a picture, a mug or a book, which differ by a stripe."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 40, (count, 16, 16, 3), generator=generator).to(torch.uint8)
    noun, color, y, x = (torch.randint(n, (count,), generator=generator) for n in (2, 2, 4, 4))
    present = torch.zeros(count, len(LABELS), dtype=torch.bool)
    nouns, looks = torch.zeros(2, count, 4, 4, dtype=torch.uint8)
    for i, (n, c, row, column) in enumerate(torch.stack([noun, color, y, x], 1).tolist()):
        part = images[i, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        part[..., 0 if c == 0 else 2] = 200
        part[:, 1 + n] = 255
        nouns[i, row, column], looks[i, row, column] = 1 + n, 1 << c
        seen = ("mug", "book")[n]
        present[i, [LABELS.index(seen), LABELS.index(f"{('red', 'blue')[c]} {seen}")]] = True
    return Stills(images, present, nouns, looks)


LABELS = ("table", "mug", "book", *(f"{c} {n}" for n in ("mug", "book") for c in ("red", "blue")))


def test_an_eye_finds_small_things_wherever_they_are(tmp_path):
    config = replace(
        EYE,
        channels=(8, 16, 16, 16),
        fit=FitConfig(steps=300, batch_size=32, learning_rate=4e-3, ema_decay=0.95),
    )
    nouns = ("mug", "book", "milk")
    eye = train_eye(small_things(512, 0), LABELS, nouns, config, tmp_path, seed=0)
    assert eye.adjectives == ("red", "blue")
    test = small_things(128, 1)
    with torch.no_grad():
        said = eye.recognise(eye(test.images)) > 0.5
    assert (said == test.present).float().mean() > 0.95
    assert said[test.present].float().mean() > 0.9


def test_eyes_refuse_sizes_that_no_cell_fits():
    with pytest.raises(ConfigError, match="got 3 and"):
        EyeConfig(shift=3)


def test_it_learns_to_point_at_what_it_sees(tmp_path):
    model = small()
    seen, tokens = colored(model, 128, 0)

    def loss(step, generator):
        rows = torch.randint(128, (32,), generator=generator)
        part = Seen.of(seen.columns(), rows)
        return {"loss": -model.token_log_prob(part, tokens[rows]).sum(1).mean()}

    fit(model, loss, FitConfig(steps=40, learning_rate=3e-3), tmp_path / "run", seed=0, label="sft")
    test, wanted = colored(model, 64, 1)
    right = (model.write(test).tokens[:, :2] == wanted).all(1).float().mean()
    blind = Seen(torch.zeros_like(test.features), *list(test.columns().values())[1:])
    guessed = (model.write(blind).tokens[:, :2] == wanted).all(1).float().mean()
    assert right > 0.9 and guessed < 0.5
    # files: the same weights say the same
    model.save_pretrained(tmp_path / "policy")
    loaded = TinyProgrammer.from_pretrained(tmp_path / "policy")
    assert loaded.config == model.config
    assert torch.equal(loaded.write(test).tokens, model.write(test).tokens)
    (tmp_path / "policy" / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError):
        TinyProgrammer.from_pretrained(tmp_path / "policy")


class SeenHouse(House):
    """The house with a picture of each place, and the robot's own place in words."""

    def observe(self) -> Observation:
        images = {
            name: np.full((16, 16, 3), 40 * i, np.uint8) for i, name in enumerate(PLACES)
        }  # fmt: skip
        return Observation(f"held: nothing\nat: {self.state['at']}", images)


def test_it_acts_in_the_agent_loop():
    model = small(3)
    record = run_episode(SeenHouse(), TinyAgent(model, "retry"), make_runner("grammar"))
    assert record.turns and all(t.answer.problem is None for t in record.turns)
    told = record.turns[0].answer
    assert told.plan and told.program == told.text
    # the same model writes the same from what the loop shows it, by hand
    seen = SeenHouse().observe()
    features = look(model, torch.from_numpy(np.stack(list(seen.images.values()))))
    by_hand = model.write(understand(model, features, PLACES, House.instruction, seen.text))
    lines = model.grammar.lines(by_hand.tokens[0].tolist(), PLACES, "sofa")
    assert program_text(lines) == told.program


def test_it_says_what_it_cannot_work_with():
    model = small()
    agent = TinyAgent(model)
    with pytest.raises(ConfigError, match="no skill 'close'"):
        agent.reset({k: v for k, v in SKILLS.items() if k != "close"})
    with pytest.raises(ConfigError, match="no pictures"):
        agent.act(View("go to red"))
    with pytest.raises(ConfigError, match=r"\(P, 16, 16, 3\) uint8"):
        look(model, torch.zeros(2, 8, 8, 3, dtype=torch.uint8))


def test_feedback_marks_the_places_that_it_names():
    model = small()
    feedback = "line 1: go_to('table'): ok\nline 2: open('fridge'): FAILED: fridge is locked"
    seen = understand(model, torch.zeros(4, 16), PLACES, "pick it", "at: sofa", feedback)
    assert seen.mentioned.tolist() == [[1, 2, 0, 0]] and seen.at.tolist() == [3]
    nothing = understand(model, torch.zeros(4, 16), PLACES, "pick it")
    assert nothing.at.tolist() == [-1] and not nothing.mentioned.any()


def test_a_task_about_a_room_marks_the_places_there():
    model = small()
    rooms = "rooms: kitchen (table, fridge); living_room (sofa, drawer)"
    told = ("tidy the living room", f"held: nothing\nat: sofa\n{rooms}")
    feedback = "line 1: pick('mug'): FAILED: no mug at sofa\nline 2: go_to('table'): ok"
    seen = understand(model, torch.zeros(4, 16), PLACES, *told)
    assert seen.mentioned.tolist() == [[0, 0, IN_ROOM, IN_ROOM]]
    later = understand(model, torch.zeros(4, 16), PLACES, *told, feedback)
    assert later.mentioned.tolist() == [[1, 0, IN_ROOM, IN_ROOM + 2]]
    # the words that are read are the same as without the list of rooms
    plain = understand(model, torch.zeros(4, 16), PLACES, told[0], "held: nothing\nat: sofa")
    assert torch.equal(seen.words, plain.words)


def test_names_of_several_words_are_one_word():
    words = Words(("coffee_table", "table"))
    assert words.split("the Coffee table, coffee_table_1; table_2") == [
        "the", "coffee_table", "coffee_table", "table",
    ]  # fmt: skip
    assert words.row("table table coffee table", 2, keep_end=True) == [3, 2]


def test_what_was_tried_in_vain_is_not_tried_again():
    tried = Tried(GrammarConfig(skills={"open": "here", "pick": "thing"}, nouns=("mug", "egg")))
    pick = Line("pick", ("mug",))

    def go(place: str) -> Line:
        return Line("go_to", (place,))

    def opened(place: str) -> Line:
        return Line("open", (place,))

    tried.note(
        [go("shelf"), pick], "",
        "line 1: go_to('shelf'): ok, there (2.0 s)\nline 2: pick('mug'): FAILED: no mug (0.5 s)\n"
        "The program stopped at line 2: skill: no mug",
    )  # fmt: skip
    assert len(tried) == 1
    assert tried.repeats([go("shelf"), pick], "bed")
    assert tried.repeats([pick], "shelf")  # it stands there already
    assert tried.repeats([go("fridge"), opened("fridge"), go("shelf"), pick], "shelf")
    assert not tried.repeats([go("fridge"), pick], "shelf")
    assert not tried.repeats([opened("shelf"), pick], "shelf")  # it may be inside
    assert not tried.repeats([Line("pick", ("egg",))], "shelf")
    # what came true since matters where it can: here, or to a thing
    tried.note([opened("shelf")], "shelf", "line 1: open('shelf'): ok, open (1.0 s)")
    assert not tried.repeats([pick], "shelf")
    tried.note([pick], "shelf", "line 1: pick('mug'): FAILED: no mug (0.5 s)")
    assert tried.repeats([pick], "shelf")
    assert not tried.repeats([Line("pick", ("egg",)), pick], "shelf")


def test_words_of_feedback_point_at_what_they_name_where_that_is_wanted():
    model = small(1)
    told = TinyProgrammer(replace(model.config, matches_feedback=True))
    told.load_state_dict(model.state_dict())
    images = torch.randint(0, 256, (4, 16, 16, 3), generator=torch.Generator().manual_seed(0))
    features = look(model, images.to(torch.uint8))
    given = (model, told)
    for feedback, same in (("", True), ("line 1: pick('mug'): FAILED: no mug", False)):
        seen = understand(model, features, PLACES, "bring the mug", "at: sofa", feedback)
        memories = [m.eval().encode(seen)[0] for m in given]
        assert torch.equal(*memories) == same
