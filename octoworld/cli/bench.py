"""`octoworld bench NAME [FILE...]`: run a bench, or report the results that are stored."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from octoworld.core.errors import ConfigError
from octoworld.core.io import read_json, write_json
from octoworld.core.registry import BENCHES

from .parse import Parser


def main(argv: list[str]) -> int:
    """Run or report one bench; 0 also when a claim fails, since a negative result is a result."""
    parser = Parser(prog="octoworld bench", description=__doc__)
    parser.add_argument("name", nargs="?", help="which bench; see --list")
    parser.add_argument("files", nargs="*", type=Path, help="of a bench that compares files")
    parser.add_argument("--list", action="store_true", help="name all benches and leave")
    parser.add_argument("--quick", action="store_true", help="a small version, under a minute")
    parser.add_argument("--report", action="store_true", help="run nothing, read stored results")
    parser.add_argument("--json", action="store_true", help="print claims with verdicts as JSON")
    parser.add_argument("--store", action="store_true", help="keep the rows of compared files")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="PYTHON|FOLDER",
        help="an interpreter with the original that a bench measures in the same run (drones), or "
        "a folder with clones of others' code (imagination)",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("results"), help="of all results (default: results)"
    )
    # intermixed: files may come after an option
    options = parser.parse_intermixed_args(argv)
    if options.list:
        print(describe(options.json))
        return 0
    if options.name is None:
        raise ConfigError(f"which bench? Known: {', '.join(BENCHES) or 'none'}")
    bench = find(options.name)
    if hasattr(bench, "compare"):
        return compare(bench, options)
    if options.files:
        raise ConfigError(f"bench {options.name!r} takes no files, got {options.files[0]}")
    if options.store:
        raise ConfigError(f"bench {options.name!r} stores its results anyway: no --store")
    beside = {} if options.beside is None else {"beside": options.beside}
    if beside and not hasattr(bench, "measures_beside"):
        raise ConfigError(f"bench {options.name!r} measures nothing beside: no --beside")
    # a quick run never touches the stored full one
    folder = options.folder / (f"{options.name}-quick" if options.quick else options.name)
    if not options.report:
        bench.run(options.quick, folder, **beside)
    if options.json:
        from octoworld.bench import verdicts

        print(json.dumps(verdicts(folder), indent=1))
    else:
        print(bench.report(folder))
    return 0


def compare(bench: Any, options: argparse.Namespace) -> int:
    """Run a bench over the files that were named, or read its stored rows, and print them."""
    if options.quick or options.beside:
        raise ConfigError(f"bench {bench.name!r} has no --quick and no --beside")
    stored = options.folder / bench.name / "rows.json"
    if options.report:
        if options.files or options.store:
            raise ConfigError("--report reads what is stored: no files and no --store")
        rows = read_json(stored)["rows"]
    else:
        if not options.files:
            raise ConfigError(f"which files? octoworld bench {bench.name} FILE...")
        rows = bench.compare(options.files)
        if options.store:
            from octoworld.bench.provenance import code_version, hardware

            stamp = {"commit": code_version(), "hardware": hardware()}
            write_json(stored, stamp | {"rows": rows})
    print(json.dumps(rows, indent=1) if options.json else bench.table(rows))
    return 0


def find(name: str) -> Any:
    """The bench called `name`; raises UnknownNameError with the choices."""
    member = BENCHES.get(name)
    return member() if isinstance(member, type) else member


def describe(as_json: bool) -> str:
    """All benches with their one-line descriptions."""
    table = {name: find(name).description for name in BENCHES}
    if as_json:
        return json.dumps(table, indent=1)
    return "\n".join(f"{name:20} {text}" for name, text in table.items())
