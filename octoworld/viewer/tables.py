"""The results of a run as a table: rows of text, and HTML."""

from __future__ import annotations

import html
from typing import Any

MEASURED = ("before", "after", "ci")
"""Columns of results.json that hold what was measured."""


def results_table(results: Any) -> tuple[list[str], list[list[str]]]:
    """Header and rows of text from results.json; other JSON is shown flat, as name and value."""
    rows = results.get("rows") if isinstance(results, dict) else None
    if isinstance(rows, list) and rows and all(isinstance(r, dict) for r in rows):
        header = list(dict.fromkeys(key for row in rows for key in row))
        share = results.get("unit") == "share"
        show = {k: _percent if share and k in MEASURED else _text for k in header}
        return header, [[show[key](row.get(key)) for key in header] for row in rows]
    return ["name", "value"], [[name, _text(value)] for name, value in _flat("", results)]


def results_html(results: object) -> str:
    """The table of results.json under its title, as HTML that takes its colours from the page."""
    header, rows = results_table(results)
    title = results.get("title", "") if isinstance(results, dict) else ""
    cell = "padding:3px 8px;border-bottom:1px solid rgba(139,144,154,.3);text-align:left"
    head = "".join(f'<th style="{cell}">{html.escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{html.escape(v)}</td>' for v in row) + "</tr>"
        for row in rows
    )
    caption = f'<div style="padding:4px 8px">{html.escape(str(title))}</div>' if title else ""
    return (
        f'<div style="overflow-x:auto;font-size:12.5px">{caption}'
        f'<table style="border-collapse:collapse;width:100%"><tr>{head}</tr>{body}</table></div>'
    )


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        parts = [_flat(f"{prefix}.{k}" if prefix else str(k), v) for k, v in value.items()]
        return [pair for part in parts for pair in part]
    return [] if value is None else [(prefix, value)]


def _percent(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f"{100 * v:+.1f}" for v in value) + "] points"
    return _text(value) if value is None else f"{100 * value:.1f} %"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return str(value)
