"""The words of the language: keywords, built-in functions and methods."""

from __future__ import annotations

UNSUPPORTED = {
    "import": "there is nothing to import; skills and built-in functions are there by name",
    "from": "there is nothing to import; skills and built-in functions are there by name",
    "class": "there are no classes; use dicts, lists and functions",
    "try": "errors cannot be caught; test with if before acting",
    "except": "errors cannot be caught; test with if before acting",
    "finally": "errors cannot be caught; test with if before acting",
    "raise": "there are no exceptions; use assert",
    "with": "there are no context managers",
    "lambda": "there are no lambdas; write a function with def",
    "yield": "there are no generators; build a list",
    "async": "skills are called one after the other, without async",
    "await": "skills are called one after the other, without await",
    "global": "functions read global variables, and give results back with return",
    "nonlocal": "functions give results back with return",
    "del": "nothing is deleted; assign something else",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _words(
    "and as assert break continue def elif else False for if in is not None or pass return True "
    "while"
) | frozenset(UNSUPPORTED)
BUILTINS = _words(
    "abs all any bool dict enumerate float int len list max min print range reversed round sorted "
    "str sum tuple zip"
)
METHODS = _words(
    "append extend insert remove index count pop sort reverse get keys values items lower upper "
    "strip split join startswith endswith replace copy"
)
