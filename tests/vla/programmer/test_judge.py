"""The judge: it looks at what a program has changed, reads it, and says how it came out."""

import pytest
import torch

from octoworld.core.errors import CheckpointError, ConfigError
from octoworld.core.fit import FitConfig, fit
from vla.programmer.tiny import (
    EyeConfig,
    GrammarConfig,
    Judge,
    JudgeConfig,
    Seen,
    TinyProgrammer,
    TinyProgrammerConfig,
)

GRAMMAR = GrammarConfig({"open": "here", "pick": "thing"}, nouns=("mug",), adjectives=("red",))
NAMES = ("open", "pick", "done", "mug", "red")


def policy(width: int = 32) -> TinyProgrammer:
    torch.manual_seed(0)
    config = TinyProgrammerConfig(
        GRAMMAR, labels=("red", "mug"), vocabulary=NAMES, width=width, max_tokens=6,
        eye=EyeConfig(image_size=(16, 16), channels=(8, 8, 16, 16), features=16),
    )  # fmt: skip
    return TinyProgrammer(config).eval()


def seen(model: TinyProgrammer, features: torch.Tensor, feedback: str = "") -> Seen:
    count, places = features.shape[:2]
    return Seen(
        features, torch.ones(count, places, dtype=torch.bool), torch.full((count,), -1),
        torch.zeros(count, places, dtype=torch.long),
        torch.tensor([model.read("open", "", feedback)] * count),
    )  # fmt: skip


def doors(model: TinyProgrammer, count: int, seed: int):
    """Programs that open one of four things; one in two does, and only its picture tells which."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.randint(4, (count,), generator=generator)
    opened = torch.rand(count, generator=generator) < 0.5
    images = torch.randint(0, 60, (count, 4, 16, 16, 3), generator=generator).to(torch.uint8)
    after = images.clone()
    rows = torch.arange(count)
    after[rows[opened], where[opened], 4:12, 4:12, 0] = 250
    # elsewhere something changes too, which is not what was asked for
    other = (where + 1) % 4
    after[rows[~opened], other[~opened], 4:12, 4:12, 0] = 250

    def looked(pictures: torch.Tensor) -> Seen:
        return seen(model, model.eye(pictures.flatten(0, 1)).unflatten(0, (count, 4)))

    names = [model.grammar.index[w] for w in ("open", "done")]
    tokens = torch.tensor([[model.grammar.size + int(w), *names] for w in where])
    return looked(images), tokens, looked(after), opened


def test_it_sees_in_the_pictures_whether_a_program_succeeded(tmp_path):
    judge = Judge.of(policy())
    before, tokens, after, success = doors(judge.trunk, 160, 0)
    right = torch.full_like(tokens, -1)
    right[:, 1] = success.long()

    def loss(step, generator):
        rows = torch.randint(160, (32,), generator=generator)
        verdict = judge(
            Seen.of(before.columns(), rows), tokens[rows], Seen.of(after.columns(), rows)
        )
        good, bad = (half.nonzero()[:, 0] for half in (success[rows], ~success[rows]))
        count = min(len(good), len(bad))
        pairs = torch.stack([good[:count], bad[:count]], 1)
        return judge.loss(verdict, success[rows], success[rows].float(), right[rows], pairs)

    fit(judge, loss, FitConfig(steps=100, learning_rate=3e-3), tmp_path / "run", seed=0, label="j")
    before, tokens, after, success = doors(judge.trunk, 80, 1)
    with torch.no_grad():
        verdict = judge(before, tokens, after)
        unseen = judge(before, tokens, before)
    said = judge.probability(verdict) >= judge.threshold
    assert float((said == success).float().mean()) > 0.9
    assert float(((verdict.right[:, 1] > 0) == success).float().mean()) > 0.9
    assert float(((verdict.progress > 0) == success).float().mean()) > 0.9
    # who is shown the same twice cannot know
    blind = judge.probability(unseen) >= judge.threshold
    assert float((blind == success).float().mean()) < 0.7
    judge.save_pretrained(tmp_path / "judge")
    again = Judge.from_pretrained(tmp_path / "judge")
    with torch.no_grad():
        torch.testing.assert_close(again(before, tokens, after).success, verdict.success)
    with pytest.raises(CheckpointError):
        TinyProgrammer.from_pretrained(tmp_path / "judge")
    with pytest.raises(CheckpointError):
        Judge.from_pretrained(tmp_path / "nothing")


def test_verdicts_know_neither_padding_nor_neighbours():
    judge = Judge.of(policy()).eval()
    before, tokens, after, _ = doors(judge.trunk, 6, 2)
    longer = torch.cat([tokens, torch.full((6, 3), -1)], 1)
    owner = torch.tensor([0, 1, 2, 3, 4, 5])
    with torch.no_grad():
        plain = judge(before, tokens, after)
        torch.testing.assert_close(judge(before, longer, after, owner).success, plain.success)
        one = Seen.of(before.columns(), torch.tensor([3]))
        alone = judge(one, tokens[3:4], Seen.of(after.columns(), torch.tensor([3])))
        torch.testing.assert_close(alone.success, plain.success[3:4])
        # two programs of one scene, which is looked at once
        rows = torch.tensor([3, 3])
        both = judge(one, tokens[rows], Seen.of(after.columns(), rows), torch.tensor([0, 0]))
        torch.testing.assert_close(both.success, plain.success[rows])
        # the longest program, the empty one, and what a program was told afterwards
        full = judge(before, tokens.repeat(1, 2), after)
        assert full.right.shape == (6, 6) and full.success.isfinite().all()
        assert judge(before, torch.full((6, 1), -1), after).success.isfinite().all()
        told = seen(judge.trunk, after.features, "line 1: open: FAILED: done")
        assert not torch.allclose(judge(before, tokens, told).success, plain.success)


def test_the_eye_is_held_still_and_the_better_program_gets_ahead():
    judge = Judge.of(policy())
    before, tokens, after, success = doors(judge.trunk, 4, 3)
    success[:] = torch.tensor([True, False, True, False])
    verdict = judge(before, tokens, after)
    nobody = torch.zeros(0, 2, dtype=torch.long)
    right = torch.full_like(tokens, -1)
    losses = judge.loss(verdict, success, success.float(), right, nobody)
    assert losses["pairs"] == 0 and losses["steps"] == 0
    verdict.success = torch.tensor([2.0, 0.0, 1.0, 0.0])
    pairs = torch.tensor([[0, 1], [2, 3]])
    expected = torch.nn.functional.softplus(torch.tensor([-2.0, -1.0])).mean()
    found = judge.loss(verdict, success, success.float(), right, pairs)["pairs"]
    torch.testing.assert_close(found, expected)
    losses["loss"].backward()
    assert all(p.grad is None for p in judge.trunk.eye.parameters())
    assert judge.change.weight.grad is not None and judge.change.weight.grad.any()


def test_bad_input():
    judge = Judge.of(policy())
    before, tokens, after, _ = doors(judge.trunk, 4, 0)
    with pytest.raises(ConfigError, match="3 programs, of 4 scenes"):
        judge(before, tokens[:3], after)
    fewer = Seen(*(c[:, :3] if c.ndim > 1 and c.shape[1] == 4 else c
                   for c in after.columns().values()))  # fmt: skip
    with pytest.raises(ConfigError, match="same places"):
        judge(before, tokens, fewer)
    with pytest.raises(ConfigError, match="at most 6"):
        judge(before, tokens.repeat(1, 3), after)
    with pytest.raises(ConfigError, match="other sizes"):
        Judge.of(policy(), JudgeConfig(policy(width=64).config))
