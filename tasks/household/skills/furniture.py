"""Furniture: open, close, turn_on, turn_off, unlock."""

from __future__ import annotations

from ..result import SkillFailureError
from ..state import kind
from .base import Acting, Done, need_free_hand, piece_here, skill

UNLOCK_SECONDS = 4.0
"""[s]."""


@skill
def open(a: Acting, piece: str) -> Done:
    """Open the doors or the drawer of the piece here, with a free gripper."""
    return _swing(a, piece, True)


@skill
def close(a: Acting, piece: str) -> Done:
    """Close the doors or the drawer of the piece here, with a free gripper."""
    return _swing(a, piece, False)


def _swing(a: Acting, word: str, is_open: bool) -> Done:
    piece = piece_here(a, word)
    verb = "open" if is_open else "close"
    if not piece.kind.openable:
        raise SkillFailureError("NOT_POSSIBLE", f"{piece.name} has no door and no drawer")
    if a.state.opened[piece.name] == is_open:
        shown = "open" if is_open else "closed"
        raise SkillFailureError("ALREADY", f"{piece.name} is {shown} already")
    if a.state.locked.get(piece.name):
        raise SkillFailureError("LOCKED", f"{piece.name} is locked; unlock it with a key first")
    need_free_hand(a, verb)
    seconds = a.motion.swing(a.state, piece, is_open)
    return Done(f"{piece.name} is {'open' if is_open else 'closed'}", seconds)


@skill
def turn_on(a: Acting, piece: str) -> Done:
    """Switch the appliance here on."""
    return _press(a, piece, True)


@skill
def turn_off(a: Acting, piece: str) -> Done:
    """Switch the appliance here off."""
    return _press(a, piece, False)


def _press(a: Acting, word: str, running: bool) -> Done:
    piece = piece_here(a, word)
    if not piece.kind.switch:
        raise SkillFailureError("NOT_POSSIBLE", f"{piece.name} has no switch")
    if a.state.running[piece.name] == running:
        raise SkillFailureError("ALREADY", f"{piece.name} is {'on' if running else 'off'} already")
    if running and a.state.opened.get(piece.name):
        raise SkillFailureError("NEEDS", f"{piece.name} runs only when closed; close it first")
    seconds = a.motion.press(a.state, piece)
    a.state.running[piece.name] = running
    return Done(f"{piece.name} is {'on' if running else 'off'}", seconds)


@skill
def unlock(a: Acting, piece: str) -> Done:
    """Unlock the piece here with the key that is held."""
    found = piece_here(a, piece)
    if not found.kind.lockable:
        raise SkillFailureError("NOT_POSSIBLE", f"{found.name} has no lock")
    if not a.state.locked[found.name]:
        raise SkillFailureError("ALREADY", f"{found.name} is not locked")
    if not a.state.held or kind(a.state.held).name != "key":
        raise SkillFailureError("NEEDS", "unlocking needs a key in the gripper")
    seconds = a.motion.press(a.state, found) + UNLOCK_SECONDS
    a.state.locked[found.name] = False
    return Done(f"{found.name} is unlocked", seconds)
