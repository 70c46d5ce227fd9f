"""The picture of an episode: what an agent planned and wrote, what happened, what it was told.

`python -m octoworld.recipes.household_episode_picture [FILE]` plays the episode anew in the
physical fidelity and draws `assets/pictures/household_episode.png`.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from octoworld.core.errors import OctoworldError
from tasks.household import Household, Instance, SkillResult
from tasks.household.result import AnyCall
from tasks.household.scene import ABOVE, SURROUND
from vla.programmer import (
    Answer,
    EpisodeRecord,
    Limits,
    View,
    make_runner,
    run_episode,
)
from vla.programmer.skills import Skills
from vla.programmer.strategies import get_strategy

WIDTH, TILE, DETAIL = 1280, 320, 460
"""Of the sheet, of a picture on it, and of a picture as it is drawn [pixel]."""
SMALL, LINE, MARGIN = 13, 17, 14
"""Size of letters, distance of lines, margin [pixel]."""
INK, PALE, GOOD, BAD = (30, 34, 40), (110, 116, 124), (20, 120, 60), (180, 40, 40)
PAPER, CODE, TOLD = (255, 255, 255), (243, 245, 248), (250, 247, 240)
GRIPS = {"pick": 0, "open": 1, "place_in": 0, "close": 1, "place_on": 0}
"""Skill -> at which motion of the fingers its picture is taken."""
EPISODE = Instance("put_away:mug:cabinet", 0, 4)
PLANS = (
    "Take the mug, drive to the cabinet and put it in.",
    "The cabinet was closed, and I need a free hand to open it: put the mug down on top, "
    "open it, put the mug in, close it.",
)


def programs(house: Household) -> tuple[str, str]:
    """Two programs: the first forgets that the cabinet is closed, the second has read so."""
    thing = next(t for t in house.state.place if t.startswith("mug"))
    place = house.state.root(thing)
    cabinet = house.home.of_kind("cabinet")[0]
    first = (
        f"go_to({place!r})\npick({thing!r})\ngo_to({cabinet!r})\nplace_in({cabinet!r})\ndone()\n"
    )
    second = (
        f"place_on({cabinet!r})\nopen({cabinet!r})\npick({thing!r})\nplace_in({cabinet!r})\n"
        f'close({cabinet!r})\nif check({cabinet!r}, "closed"):\n    done()\n'
    )
    return first, second


class Scripted:
    """An agent that says what stands in PLANS, for a picture that is the same every time."""

    name = "scripted"
    strategy = get_strategy("retry")

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = answers

    def reset(self, skills: Skills) -> None:
        """Nothing to forget."""

    def act(self, view: View) -> Answer:
        """The next answer."""
        return self._answers[view.turn]


class Filmed(Household):
    """Keeps a picture of each call of some skills: from above, while the fingers work."""

    moments: list[tuple[str, np.ndarray]]

    def execute(self, call: AnyCall) -> SkillResult:
        """As `Household.execute`."""
        if call.name not in GRIPS:
            result = super().execute(call)
            if call.name == "done":
                self.moments.append(("in the end", self._drawn(SURROUND[0])))
            return result
        seen: list[np.ndarray] = []
        machine = self.motion.machine  # type: ignore[attr-defined] - of the physical fidelity
        machine.watch = lambda: seen.append(self._drawn(ABOVE)) if len(seen) < 2 else None
        result = super().execute(call)
        machine.watch = None
        index = min(GRIPS[call.name], len(seen) - 1)
        image = seen[index] if seen else self._drawn(SURROUND[0])
        self.moments.append((f"{call}: {'ok' if result.ok else result.code}", image))
        return result

    def _drawn(self, camera: str) -> np.ndarray:
        size = (DETAIL, DETAIL)
        return self.views.render(self.state, (camera,), size, self.motion.shown())[0]


def play() -> tuple[Filmed, EpisodeRecord]:
    """The episode and its record."""
    house = Filmed(EPISODE, fidelity="physical", packing="blind")
    house.moments = []
    answers = [Answer(plan, code) for plan, code in zip(PLANS, programs(house), strict=True)]
    record = run_episode(house, Scripted(answers), make_runner("grammar", Limits()))
    return house, record


def sheet() -> Image.Image:
    """The whole picture."""
    house, record = play()
    if not record.success:
        raise OctoworldError(f"the episode of the picture failed: {record.turns[-1].feedback}")
    tiles = house.moments
    rows = [tiles[i : i + 4] for i in range(0, len(tiles), 4)][:2]
    text = _Writer()
    blocks = [text.turn(i, turn.answer, turn.feedback) for i, turn in enumerate(record.turns)]
    height = 40 + len(rows) * (TILE + 24) + sum(b.height for b in blocks) + 34
    page = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(page)
    words = f'Task: "{record.instruction}"   (physical fidelity: every move by servos and contacts)'
    draw.text((MARGIN, 11), words, INK, font=text.bold)
    y = 40
    for row in rows:
        for i, (label, image) in enumerate(row):
            small = Image.fromarray(image).resize((TILE, TILE), Image.Resampling.LANCZOS)
            page.paste(small, (i * TILE, y))
            color = GOOD if label.endswith(("ok", "end")) else BAD
            draw.text((i * TILE + 8, y + TILE + 4), label, color, font=text.plain)
        y += TILE + 24
    for block in blocks:
        page.paste(block, (0, y))
        y += block.height
    outcome = f"success: {record.success}, {len(record.calls)} calls, {house.state.time:.0f} s"
    draw.text((MARGIN, y + 8), outcome, GOOD, font=text.bold)
    return page


class _Writer:
    """Sets text in type."""

    def __init__(self) -> None:
        fonts = Path(get_data_path()) / "fonts" / "ttf"
        self.plain = ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), SMALL)
        self.bold = ImageFont.truetype(str(fonts / "DejaVuSans-Bold.ttf"), SMALL)
        self.code = ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), SMALL - 1)

    def turn(self, number: int, answer: Answer, feedback: str) -> Image.Image:
        """Plan and program on the left, what it was told on the right."""
        left = textwrap.wrap(f"Plan: {answer.plan}", 66)
        right = [part for line in feedback.splitlines() for part in textwrap.wrap(
            line, 92, subsequent_indent="    ")]  # fmt: skip
        code = answer.program.splitlines()
        height = 2 * MARGIN + LINE * (1 + max(len(left) + len(code) + 1, len(right)))
        block = Image.new("RGB", (WIDTH, height), PAPER)
        draw = ImageDraw.Draw(block)
        middle = 500
        draw.rectangle((0, 0, middle, height - 6), CODE)
        draw.rectangle((middle + 4, 0, WIDTH, height - 6), TOLD)
        y = MARGIN
        draw.text((MARGIN, y), f"Program {number + 1}", PALE, font=self.bold)
        draw.text((middle + 4 + MARGIN, y), "Feedback", PALE, font=self.bold)
        for line in left:
            y += LINE
            draw.text((MARGIN, y), line, INK, font=self.plain)
        y += LINE // 2
        for line in code:
            y += LINE
            draw.text((MARGIN, y), line, INK, font=self.code)
        y = MARGIN
        for line in right:
            y += LINE
            failed = "FAILED" in line or "stopped at" in line
            draw.text((middle + 4 + MARGIN, y), line, BAD if failed else INK, font=self.code)
        return block


def main() -> None:
    """Draw the picture into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path("assets/pictures/household_episode.png")
    parser.add_argument("out", nargs="?", type=Path, default=default)
    out = parser.parse_args().out
    page = sheet()
    page.quantize(192).save(out, optimize=True)
    print(f"{out}: {page.width} x {page.height}")


if __name__ == "__main__":
    main()
