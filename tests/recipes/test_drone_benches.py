"""The bench `drones`: claims and rows, ratios beside the original, and what is said without it."""

import json
import sys

import pytest

from octoworld.bench import verdicts
from octoworld.bench.claim import declare
from octoworld.core.errors import ConfigError
from octoworld.recipes import drone_benches
from octoworld.recipes.beside import CITED, Original
from octoworld.recipes.drone_benches import (
    DSLPID_CLAIM,
    PHYSICS_CLAIMS,
    SUFFIX,
    WAIT_CLAIM,
    DroneBench,
    speed_claims,
    speed_table,
)
from octoworld.recipes.drone_speed import CASES, MILLISECONDS, measure


def store(folder, arm, values):
    path = folder / "rows" / arm / "0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"arm": arm, "seed": 0, "commit": "x", "starts": list(range(3)), "facts": {}}
    path.write_text(json.dumps(row | {"outcomes": {k: [v] * 3 for k, v in values.items()}}))


def test_every_claim_gets_a_verdict_and_the_original_stays_cited(tmp_path, monkeypatch):
    # rates are measured below; here every call takes a microsecond
    monkeypatch.setattr(drone_benches, "measure", lambda case, repeats, s: [1e-6] * repeats)
    monkeypatch.setattr(drone_benches, "STATES", {True: 90})
    DroneBench().run(True, tmp_path)
    found = {v["name"]: v for v in verdicts(tmp_path)}
    assert set(found) == {c.name for c in (*PHYSICS_CLAIMS, WAIT_CLAIM)} | set(CASES)
    assert all(v["verdict"] == "pass" for v in found.values())
    text = DroneBench().report(tmp_path)
    assert "| one drone | 1e+06 | 3e+04 | 1.054e+04 (cited) | 94.9 |" in text
    assert "gym-pybullet-drones did not run" in text and set(CITED) <= set(CASES)


def test_ratios_are_of_the_medians_beside_the_original(tmp_path):
    declare([*PHYSICS_CLAIMS, WAIT_CLAIM, *speed_claims(True), DSLPID_CLAIM], tmp_path)
    for claim in PHYSICS_CLAIMS:
        store(tmp_path, claim.arms[0], {c.metric: 0.0 for c in PHYSICS_CLAIMS})
    store(tmp_path, "first-step", {WAIT_CLAIM.metric: 0.5})
    for name, case in CASES.items():
        ours, theirs = (2.0, 8.0) if case.unit == MILLISECONDS else (9e6, 3e6)
        store(tmp_path, name, {case.unit: ours})
        if name != "fifty":
            store(tmp_path, name + SUFFIX, {case.unit: theirs})
    text = speed_table(tmp_path)
    assert "| reset of one drone | 2 | 1 | 8 | 4 | ms |" in text
    assert "| ten drones | 9e+06 | 1.3e+04 | 3e+06 | 3 |" in text and "did not run" not in text
    found = {v["name"]: v["verdict"] for v in verdicts(tmp_path)}
    assert found["ten beside the original"] == "pass" and found["reset"] == "fail"
    assert found["fifty beside the original"] == "inconclusive"
    # what is not complete beside the original does not go on without it
    with pytest.raises(
        ConfigError, match=r"lacks '(dslpid|fifty-original)'.* give --beside PYTHON"
    ):
        DroneBench().run(True, tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_every_case_can_be_measured(name):
    case = CASES[name]
    times = measure(case, 2, 0.001)
    assert len(times) == 2 and min(times) > 0
    assert case.value(1e-3) > 0 and case.without_batch().worlds == 1


def test_an_interpreter_without_the_original_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no such interpreter(.|\n)*pip install --no-deps -e"):
        Original(tmp_path / "python")
    with pytest.raises(ConfigError, match="No module named 'gym_pybullet_drones'"):
        Original(sys.executable)
    (tmp_path / "text").write_text("no program")
    with pytest.raises(ConfigError, match="Permission denied"):
        Original(tmp_path / "text")
