"""Source text -> tokens, with INDENT and DEDENT as in Python. Bounded in time by the text."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..steps import ProgramError
from .words import KEYWORDS

MAX_NAME = 64
"""Characters of a name; messages that guess what was meant compare names."""
MAX_BLOCKS = 20
"""Blocks within blocks, as in CPython."""
TAB = 8  # columns, as in CPython

_TOKEN = re.compile(
    r"(?P<space>(?:[ \t]|\\\n)+)|(?P<comment>\#[^\n]*)|(?P<newline>\n)"
    r"|(?P<string>[A-Za-z]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<op>\*\*=|//=|[+\-*/%]=|\*\*|//|->|==|!=|<=|>=|[+\-*/%<>=()\[\]{},:.])",
    re.ASCII | re.DOTALL,
)
# what cannot be shown or sent (lone surrogates, controls), or hides the order of the text (bidi)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"', "\n": ""}
_FIELD = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}|[{}]", re.ASCII)


class Token(NamedTuple):
    """One word. Keywords are of kind `op`, so that a variable cannot be mistaken for one."""

    kind: str
    """name, number, string, parts (an f-string), op, newline, indent, dedent or end."""
    value: Any
    line: int


def check_source(source: str, limit: int) -> str:
    """The source with plain line ends. Raises ProgramError for one that no runner should read."""
    if len(source) > limit:
        raise ProgramError("source", f"a program of {len(source)} characters; the limit is {limit}")
    source = source.replace("\r\n", "\n")
    if found := _UNPRINTABLE.search(source):
        line = source.count("\n", 0, found.start()) + 1
        raise ProgramError("syntax", f"the character U+{ord(found[0]):04X} is not allowed", line)
    return source


def tokenize(source: str) -> list[Token]:
    """All tokens, ending with `end`. Raises ProgramError `syntax`, `unsupported` or `nesting`."""
    tokens: list[Token] = []
    indents = [0]
    line, position, open_brackets, at_line_start = 1, 0, 0, True
    while position < len(source):
        found = _TOKEN.match(source, position)
        if found is None:
            raise _unreadable(source, position, line)
        kind, text = str(found.lastgroup), found[0]
        position = found.end()
        if kind == "newline":
            if not at_line_start and not open_brackets:
                tokens.append(Token("newline", "\n", line))
                at_line_start = True
        elif kind not in ("space", "comment"):
            if at_line_start:
                at_line_start = False
                column = _column(source, found.start())
                _indent(tokens, indents, column, line)
            if kind == "op":
                open_brackets += (text in "([{") - (text in ")]}")
                open_brackets = max(open_brackets, 0)
            tokens.append(_token(kind, text, line))
        line += text.count("\n")
    if not at_line_start:
        tokens.append(Token("newline", "\n", line))
    tokens += [Token("dedent", None, line) for _ in indents[1:]]
    tokens.append(Token("end", "end of the program", line))
    return tokens


def _column(source: str, start: int) -> int:
    begin = source.rfind("\n", 0, start) + 1
    return len(source[begin:start].expandtabs(TAB))


def _indent(tokens: list[Token], indents: list[int], column: int, line: int) -> None:
    if column > indents[-1]:
        if len(indents) > MAX_BLOCKS:
            raise ProgramError("nesting", f"more than {MAX_BLOCKS} blocks within blocks", line)
        indents.append(column)
        tokens.append(Token("indent", None, line))
    while column < indents[-1]:
        indents.pop()
        tokens.append(Token("dedent", None, line))
    if column != indents[-1]:
        raise ProgramError("syntax", "the indentation matches no block around it", line)


def _token(kind: str, text: str, line: int) -> Token:
    if kind == "name":
        if len(text) > MAX_NAME:
            raise ProgramError("syntax", f"a name of {len(text)} characters", line)
        return Token("op" if text in KEYWORDS else "name", text, line)
    if kind == "number":
        return Token("number", _number(text, line), line)
    if kind == "string":
        return _string(text, line)
    return Token(kind, text, line)


def _number(text: str, line: int) -> int | float:
    if len(text) > 25:
        raise ProgramError("syntax", f"a number of {len(text)} characters", line)
    try:
        return int(text) if text.replace("_", "").isdigit() else float(text)
    except ValueError:
        raise ProgramError("syntax", f"{text!r} is not a number", line) from None


def _string(text: str, line: int) -> Token:
    quote = min(i for i in (text.find("'"), text.find('"')) if i >= 0)
    prefix, body = text[:quote].lower(), text[quote:]
    width = 3 if body[:3] in ("'''", '"""') and len(body) >= 6 else 1
    body = body[width:-width]
    if prefix not in ("", "r", "f", "u", "rf", "fr"):
        raise ProgramError("unsupported", f"strings {prefix}'...' are not in this language", line)
    if "f" not in prefix:
        return Token("string", body if "r" in prefix else _unescape(body, line), line)
    parts: list[tuple[str, str]] = []
    end = 0
    for found in _FIELD.finditer(body):
        parts.append(("text", body[end : found.start()]))
        if found[0] in ("{{", "}}"):
            parts.append(("text", found[0][0]))
        elif found[1] is None or found[1] in KEYWORDS:
            raise ProgramError(
                "unsupported",
                "an f-string takes plain names, f'{name}'; compute other values in a line before",
                line,
            )
        else:
            parts.append(("name", found[1]))
        end = found.end()
    parts.append(("text", body[end:]))
    if "r" not in prefix:
        parts = [(k, _unescape(v, line) if k == "text" else v) for k, v in parts]
    return Token("parts", [part for part in parts if part[1]], line)


def _unescape(body: str, line: int) -> str:
    def escape(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise ProgramError("unsupported", f"the escape {found[0]!r} in a string", line)
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", escape, body, flags=re.DOTALL) if "\\" in body else body


def _unreadable(source: str, position: int, line: int) -> ProgramError:
    character = source[position]
    if character in "'\"":
        return ProgramError("syntax", "a string that is not closed", line)
    if character in "@&|^~;!":
        return ProgramError("unsupported", f"{character!r} is not in this language", line)
    return ProgramError("syntax", f"the character {character!r} outside a string", line)
