"""The language as a page for a model's prompt; the tests run its examples."""

from __future__ import annotations

MANUAL = """\
Programs are written in a small part of Python. Skills and built-in functions are called by name.

| what | how |
|---|---|
| values | numbers, 'strings', True, False, None, lists [1, 2], tuples (1, 2), dicts {'a': 1} |
| variables | x = 1 ; a, b = b, a ; x += 1 ; items[0] = 'mug' ; counts['mug'] += 1 |
| arithmetic | + - * / // % ** ; + joins strings and lists |
| tests | == != < <= > >= ; in, not in ; is None ; and, or, not ; a if test else b |
| branches | if ...: / elif ...: / else: |
| loops | for x in values: / for i, x in enumerate(values): / while test: ; break, continue |
| lists from lists | [name for name in names if name != 'table'] |
| functions | def f(a, b=1): ... return a, at the top level; they read global variables |
| strings | f'{count} mugs' with plain names only |
| elements | x[0], x[-1], x[1:3] |
| checks | assert test, 'message' ends the program when the test is false |
| comments | # to the end of the line |

Built-in functions: abs all any bool dict enumerate float int len list max min print range reversed
round sorted str sum tuple zip.
Methods: lists have append extend insert remove pop index count sort reverse copy; dicts have get
keys values items pop copy; strings have lower upper strip split join startswith endswith replace
count.
There is no import, class, try, with, lambda, set, generator, format specification, file or clock.
Names of skills and built-in functions cannot be assigned to.
A skill that has nothing to tell gives True.
A skill that cannot be carried out ends the program and says why; everything done before stays done.
"""


def describe_language() -> str:
    """What a program may contain, about 400 tokens, for a model's prompt."""
    return MANUAL
