"""Tables of results: rows of named values, any other JSON, nothing taken for HTML."""

import json

from octoworld.viewer.tables import results_html, results_table


def test_results_table():
    header, rows = results_table({"rows": [{"name": "A", "before": 0.25}, {"name": "B", "n": 3}]})
    assert header == ["name", "before", "n"]
    assert rows == [["A", "0.25", "-"], ["B", "-", "3"]]


def test_other_json_is_shown_flat():
    header, rows = results_table(json.loads('{"after": {"PickUp": 0.5, "ok": true}, "seeds": [1]}'))
    assert header == ["name", "value"]
    assert rows == [["after.PickUp", "0.5"], ["after.ok", "yes"], ["seeds", "[1]"]]


def test_html_escapes_names_and_carries_the_title():
    text = results_html({"title": "a < b", "rows": [{"name": "<script>", "after": 1}]})
    assert "a &lt; b" in text and "&lt;script&gt;" in text and "<script>" not in text


def test_shares_are_shown_in_percent():
    row = {"name": "A", "before": 0.25, "after": 0.3, "ci": [-0.01, 0.11], "episodes": 100}
    _, rows = results_table({"unit": "share", "rows": [row]})
    assert rows == [["A", "25.0 %", "30.0 %", "[-1.0, +11.0] points", "100"]]
