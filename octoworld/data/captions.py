"""Words on pictures: lines of coloured words, broken where they would not fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Word = tuple[str, Color]
"""Text that is not broken, and its colour [RGB, 0 to 255]."""

FONT_SIZE, LINE_HEIGHT, MARGIN = 13, 17, 4
"""[px]."""


def caption(paragraphs: Sequence[Sequence[Word]], width: int, paper: Color) -> NDArray[np.uint8]:
    """Paragraphs one under another on paper of that colour, (H, width, 3); each begins a line."""
    font = ImageFont.load_default(size=FONT_SIZE)
    placed = [line for words in paragraphs for line in _lines(words, width, font)]
    height = LINE_HEIGHT * len(placed) + 2 * MARGIN
    page = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(placed):
        for left, text, color in line:
            draw.text((left, MARGIN + row * LINE_HEIGHT), text, fill=color, font=font)
    return np.asarray(page)


def words_of(text: str, color: Color) -> list[Word]:
    """A sentence's words in one colour."""
    return [(word, color) for word in text.split()]


def _lines(
    words: Sequence[Word], width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> list[list[tuple[float, str, Color]]]:
    """Words with their left edge [px], line by line; a word that is too long has one of its own."""
    space = font.getlength(" ")
    lines: list[list[tuple[float, str, Color]]] = [[]]
    left = float(MARGIN)
    for text, color in words:
        length = font.getlength(text)
        if lines[-1] and left + length > width - MARGIN:
            lines.append([])
            left = float(MARGIN)
        lines[-1].append((left, text, color))
        left += length + space
    return lines
