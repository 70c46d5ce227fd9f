"""`octoworld VERB ...`: finds the verb's module, runs its `main(argv)`, prints one-line errors."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from octoworld.core.errors import OctoworldError

VERBS: dict[str, dict[str, tuple[str, str]]] = {
    "Look around": {
        "doctor": ("doctor", "check this machine, and say how to mend what is missing"),
        "list": ("list_names", "list tasks, robots, policies, world models, backends, benches"),
    },
    "Whole jobs": {
        "train": ("train", "train a controller of a task by reinforcement learning"),
        "demo": ("demo", "the main job in minutes, then the viewer"),
        "worldenv": ("worldenv", "post-train a policy in a learned world model, start to end"),
    },
    "Steps of a job": {
        "collect": (
            "collect",
            "record an expert, a policy, or yourself, as a data set",
        ),
        "sft": ("sft", "fine-tune a policy on demonstrations"),
        "worldmodel": ("worldmodel", "train or examine a video world model of any robot"),
        "programmer": ("programmer", "teach or test an agent that writes programs for households"),
        "eval": ("eval", "success of a saved policy by task and split, or beside another"),
        "publish": ("publish", "small checkpoints of a run, for other runs to start from"),
    },
    "Data and results": {
        "play": ("play", "a task live in the browser, or what a policy does, recorded and shown"),
        "view": ("view", "open a recorded run in the browser, or write it as a static page"),
        "dataset": ("dataset", "check a data set, or show what is in it"),
        "bench": ("bench", "run a declared experiment, or report a stored one"),
    },
}
"""Heading -> verb -> (module in `octoworld.cli`, help). Modules are imported when they run."""

GL_CHOICES = ("", "egl", "osmesa", "glfw", "glx", "wgl", "cgl", "on", "off", "disable", "1", "0",
              "true", "false", "enable")  # fmt: skip
"""What `MUJOCO_GL` may be; the first that are named draw off screen."""

USAGE = "usage: octoworld [--help] [--version] VERB ..."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; exit code 0 good, 1 a check failed, 2 the user's mistake, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        from octoworld import __version__

        print(f"octoworld {__version__}")
        return 0
    table = verbs()
    verb, *rest = arguments
    if verb not in table:
        near = difflib.get_close_matches(verb, table, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return _fail(f"unknown verb {verb!r}.{hint} Known: {', '.join(table)}.")
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    if chosen not in GL_CHOICES:  # MuJoCo does not even load then
        return _fail(f"MUJOCO_GL is {chosen!r}; expected {', '.join(GL_CHOICES[1:])}, or unset")
    module = importlib.import_module(f"octoworld.cli.{table[verb][0]}")
    try:
        return int(module.main(rest) or 0)
    except OctoworldError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit
        return 0


def verbs() -> dict[str, tuple[str, str]]:
    """Verb -> (module, help), in the order of the overview."""
    return {verb: entry for group in VERBS.values() for verb, entry in group.items()}


def overview() -> str:
    """What `--help` prints: the verbs under their headings."""
    lines = [USAGE]
    for heading, group in VERBS.items():
        lines += ["", f"{heading}:"]
        lines += [f"  {verb:12} {text}" for verb, (_, text) in group.items()]
    return "\n".join([*lines, "", "`octoworld VERB --help` explains one verb."])


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
