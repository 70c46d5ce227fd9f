"""A small language with the look of Python, run by a machine that holds no object of the host.

Why a parser of our own and not `ast.parse`: its C recursion on deeply nested sources differs
between Python versions and has crashed some of them, while here every limit is ours and the same
everywhere; the language's own messages teach a model what it may write; and instructions with a
stack, unlike a walk of a tree, leave a suspended program that can be saved as JSON.
"""
