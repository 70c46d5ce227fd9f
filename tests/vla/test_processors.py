"""Statistics, words and images survive the way to the network and to disk."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import CheckpointError, DatasetError
from octoworld.data.words import PAD, UNKNOWN
from vla.processors import Processor, images_to_float


@pytest.fixture
def processor():
    rng = np.random.default_rng(0)
    states, actions = rng.normal(2.0, 3.0, (200, 5)), rng.uniform(-1, 1, (200, 3))
    return Processor.fit(["Pick up the red block.", "open drawer 2"], states, actions)


def test_words(processor):
    tokens = processor.encode(["the RED, block", "the purple block", ""], max_words=4)
    assert tokens.shape == (3, 4)
    assert tokens[0, 3] == PAD and (tokens[0, :3] > UNKNOWN).all()
    assert tokens[1].tolist() == [tokens[0, 0], UNKNOWN, tokens[0, 2], PAD]
    assert tokens[2].tolist() == [UNKNOWN, PAD, PAD, PAD]
    assert int(tokens.max()) < processor.vocabulary_size


def test_long_instructions_are_cut(processor):
    assert processor.encode(["the " * 30], max_words=6).shape == (1, 6)


def test_statistics(processor):
    assert processor.state.mean == pytest.approx([2.0] * 5, abs=0.8)
    constant = Processor.fit(["go"], np.zeros((9, 2)), np.zeros((9, 1)))
    assert all(s > 0 for s in (*constant.state.std, *constant.action.std))


def test_instructions_without_words():
    with pytest.raises(DatasetError, match="no word"):
        Processor.fit(["..."], np.zeros((3, 1)), np.zeros((3, 1)))


def test_images():
    image = torch.zeros(2, 8, 6, 3, dtype=torch.uint8)
    image[0, 1, 2] = torch.tensor([0, 255, 51], dtype=torch.uint8)
    pixels = images_to_float(image)
    assert pixels.shape == (2, 3, 8, 6)
    torch.testing.assert_close(pixels[0, :, 1, 2], torch.tensor([-1.0, 1.0, -0.6]))


def test_save_and_load_to_the_bit(processor, tmp_path):
    processor.save(tmp_path / "processor.json")
    assert Processor.load(tmp_path / "processor.json") == processor


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"words": ["a"], "state": {"mean": [0], "std": []}}']
)
def test_damaged_file(text, tmp_path):
    path = tmp_path / "processor.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"processor\.json") as error:
        Processor.load(path)
    assert "\n" not in str(error.value)
