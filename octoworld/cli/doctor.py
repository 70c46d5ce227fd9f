"""`octoworld doctor`: what this machine has, what it lacks, and the command that mends it."""

from __future__ import annotations

import json
from dataclasses import asdict

from octoworld.core.doctor import Check, run_checks

from .parse import Parser


def main(argv: list[str]) -> int:
    """Print the report; 1 if something that octoworld needs fails."""
    parser = Parser(prog="octoworld doctor", description="Check this machine.")
    parser.add_argument("--json", action="store_true", help="a list of checks, for programs")
    arguments = parser.parse_args(argv)
    checks = run_checks()
    if arguments.json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        print(report(checks))
    return int(any(check.status == "fail" for check in checks))


def report(checks: list[Check]) -> str:
    """The checks as a table; under each failed one the command that mends it."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.status:4}  {check.name:{width}}  {check.detail}")
        if check.mend:
            lines.append(f"{'':6}{'':{width}}  mend: {check.mend}")
    counts = [sum(c.status == status for c in checks) for status in ("ok", "warn", "fail")]
    return "\n".join([*lines, "{} ok, {} warnings, {} failed".format(*counts)])
