"""Programs from text files, so that they can be read as they would be written."""

from __future__ import annotations

from pathlib import Path


def read_programs(name: str) -> dict[str, str]:
    """Name -> program, from a file in which a line `=== name` begins each."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    blocks = text.split("\n=== ")[1:]
    programs = [block.partition("\n\n## ")[0].partition("\n") for block in blocks]
    return {title: program for title, _, program in programs}
