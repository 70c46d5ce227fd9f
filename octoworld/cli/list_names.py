"""`octoworld list [KIND]`: the registered names."""

from __future__ import annotations

from octoworld import facade

from .parse import Parser

KINDS = {
    "tasks": facade.list_tasks,
    "robots": facade.list_robots,
    "policies": facade.list_policies,
    "worldmodels": facade.list_world_models,
    "backends": facade.list_backends,
    "benches": facade.list_benches,
}


def main(argv: list[str]) -> int:
    """Print the names of one kind, one a line, or of every kind under its heading."""
    parser = Parser(prog="octoworld list", description="List registered names.")
    parser.add_argument("kind", nargs="?", choices=list(KINDS), help="default: every kind")
    kind = parser.parse_args(argv).kind
    if kind:
        print("\n".join(KINDS[kind]()))
        return 0
    for heading, names in KINDS.items():
        print(f"{heading}: {', '.join(names()) or 'none'}")
    return 0
