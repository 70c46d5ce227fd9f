"""`octoworld eval` of an `hf` policy, and its model card."""

import numpy as np

from octoworld.cli.main import main
from octoworld.core.io import read_json
from vla.hf import HfPolicy
from vla.hf.statistics import HfStatistics

from .families import small


def test_eval_writes_what_it_measured_into_the_model_card(model_of, tmp_path, capsys):
    rng = np.random.default_rng(0)
    fitted = HfStatistics.fit(rng.normal(size=(200, 8)), rng.uniform(-1, 1, (200, 4)))
    config = small(model_of("llava"), cameras=("front",), chunk_size=8, state_dim=8, action_dim=4)
    policy = HfPolicy.build(config, fitted, seed=0)
    policy.save_pretrained(tmp_path / "run" / "policy")
    argv = ["eval", str(tmp_path / "run"), "--tasks", "Reach", "--splits", "train", "positions"]
    argv += ["--episodes", "2", "--num-envs", "2", "--out", str(tmp_path / "e.json")]
    assert main(argv) == 0
    card = tmp_path / "run" / "policy" / "README.md"
    assert "Not evaluated." in card.read_text()
    assert main([*argv, "--update-card", "--dtype", "float32"]) == 0
    assert str(card) in capsys.readouterr().out
    row = read_json(tmp_path / "e.json")["rows"][1]
    found = row["success"]["at_end"]  # Reach is judged at the end of its time
    line = (
        f"| Reach, split positions | {100 * found['share']:.1f} % | [{100 * found['low']:.1f}, "
        f"{100 * found['high']:.1f}] | 2 |"
    )
    text = card.read_text()
    assert line in text and "| Reach, split train |" in text and "trained weights: " in text
