"""`octoworld eval POLICY`: success of a saved policy in true physics, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .parse import parse
from .workers import workers

TABLETOP = ("PushToZone", "PickUp", "PlaceInBin", "OpenDrawer")


@dataclass(frozen=True)
class EvalArgs:
    """Roll a policy from paired start states: success, stages reached, the wrong object handled.

    A row for each split and task, with 95 % intervals: Wilson's of shares, a bootstrap over start
    states of paired differences.
    """

    policy: Annotated[Path, tyro.conf.Positional]
    """Folder of the policy (config.json, model.safetensors), or the run that trained it."""
    suite: str = ""
    """Tasks by name of their suite, tabletop or kitchen, or of one scene: reach, table, workbench,
    kitchen."""
    tasks: tuple[str, ...] = ()
    """Registered tasks, instead of a suite; default: the one a controller was trained in, else the
    four of the table-top."""
    splits: tuple[str, ...] = ()
    """What starts are drawn from: train, positions, pairs, paraphrases, camera, light, physics,
    distractors; default: everything."""
    robot: str | None = None
    """Arm that does the tasks, and that the policy was made for; default: the tasks' own."""
    instruction: str = ""
    """Your own sentence, with the task's slots, e.g. "grab the {block} block"."""
    episodes: int = 125
    """Start states of each task and split."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ...; 5,000,000 and up are for tests alone."""
    compare: Annotated[Path | None, tyro.conf.arg(aliases=["--baseline"])] = None
    """Another policy, from the same starts; a second table has the paired differences to it."""
    reflector: Path | None = None
    """Folder of a reflector: adds success when it, not the simulator, ends the episode, and leaves
    out the stages."""
    num_envs: int = 25
    """Worlds rolled out together."""
    cluster: str = ""
    """Ray workers that share the episodes: local:4 starts four here, else the address of a running
    cluster, or auto; the same results, whatever worker is lost on the way."""
    videos: int = 0
    """Films of failures, for each task and split; needs --out."""
    out: Path | None = None
    """Folder for eval.json (every episode, too), eval.md and videos/; or the name of a .json file,
    beside which the others go."""
    update_card: bool = False
    """Write the measured success into the model card of a policy of kind `hf`."""
    dtype: Literal["", "float32", "bfloat16"] = ""
    """Another precision of the pretrained weights of a policy of kind `hf`, e.g. float32 for a CPU
    where it was trained in bfloat16."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(EvalArgs, "eval", argv)
    from octoworld.core.errors import ConfigError
    from octoworld.core.io import write_json, write_text
    from octoworld.recipes.eval_job import EvalConfig, offered, run
    from octoworld.recipes.eval_report import markdown, rows, to_json

    if args.videos and args.out is None:
        raise ConfigError("--videos: say with --out where to")
    if args.videos < 0:
        raise ConfigError(f"videos {args.videos}: expected 0 or more")
    saved = described(args)
    config = EvalConfig(
        tasks_of(args, saved), args.splits or ("",), args.episodes, args.first_seed,
        args.num_envs, args.robot, args.instruction,
    )  # fmt: skip
    offered(config)
    folders = {"policy": args.policy}
    if args.compare is not None:
        folders = {"baseline": args.compare} | folders
    arms = {arm: load(args, folder, config.tasks[0]) for arm, folder in folders.items()}
    stop, protocols = judges(args.reflector)
    with workers(args.cluster) as found:
        report = run(arms, config, stop=stop, protocols=protocols, cluster=found)
    files = Files.at(args.out)
    if args.videos and files is not None:
        from octoworld.recipes.eval_films import film_all

        failed = report.outcomes["policy"]
        report.films = film_all(arms["policy"], config, failed, args.videos, files.videos)
    table = rows(report)
    print(markdown(report, table), end="")
    if files is not None:
        told = {arm: str(folder) for arm, folder in folders.items()}
        write_json(files.json, to_json(report, table, told))
        write_text(files.markdown, markdown(report, table))
        print(f"\n{files.json}")
    if args.update_card:
        update_card(args.policy, table)
    return 0


@dataclass(frozen=True)
class Files:
    """Where results go."""

    json: Path
    markdown: Path
    videos: Path

    @classmethod
    def at(cls, out: Path | None) -> Files | None:
        """In the folder `out`, or beside the file `out` that ends in .json."""
        if out is None:
            return None
        if out.suffix == ".json":
            return cls(out, out.with_suffix(".md"), out.with_name(f"{out.stem}-videos"))
        return cls(out / "eval.json", out / "eval.md", out / "videos")


def described(args: EvalArgs) -> dict[str, Any]:
    """Config of the policy; ConfigError for options of another type of policy than it is."""
    from octoworld.core.errors import ConfigError
    from vla.checkpoint import describe

    kind, saved = describe(args.policy)
    for option, given in (("--update-card", args.update_card), ("--dtype", bool(args.dtype))):
        if given and kind != "hf":
            raise ConfigError(f"{option} is for policies of kind 'hf'; {args.policy} is {kind!r}")
    return saved


def tasks_of(args: EvalArgs, saved: dict[str, Any]) -> tuple[str, ...]:
    """The tasks that are asked for, or that suit the policy whose config is `saved`."""
    from octoworld.core.errors import ConfigError
    from tasks.suites import suite

    if args.suite and args.tasks:
        raise ConfigError(f"--suite {args.suite} and --tasks {' '.join(args.tasks)}: give one")
    if args.suite:
        return suite(args.suite)
    return args.tasks or ((saved["task"],) if saved.get("task") else TABLETOP)


def load(args: EvalArgs, folder: Path, task: str) -> Any:
    """The policy in `folder`, which must drive the robot that does the tasks."""
    from octoworld.core.registry import ROBOTS, TASKS
    from vla.checkpoint import describe, load_policy

    if args.robot is not None:
        ROBOTS.get(args.robot)
    is_hf = describe(folder)[0] == "hf"
    options = {"dtype": args.dtype} if args.dtype and is_hf else {}
    return load_policy(folder, robot=args.robot or TASKS.get(task).robot, **options)


def judges(folder: Path | None) -> tuple[Any, tuple[str, ...]]:
    """The reflector's rule to stop, if there is one, and what counts as success."""
    if folder is None:
        return None, ("oracle", "at_end")
    from octoworld.recipes.worldenv.learning import load_reflector
    from octoworld.recipes.worldenv.outcome import reflector_stop

    return reflector_stop(load_reflector(folder)), ("oracle", "self_stopped", "at_end")


def update_card(folder: Path, table: list[dict[str, Any]]) -> None:
    """Write the policy's rows into its model card, each by what its task calls success."""
    from octoworld.recipes.eval_job import main_protocol
    from vla.checkpoint import policy_folder
    from vla.hf.card import Success, record_success

    place = policy_folder(folder)
    for row in table:
        if row["policy"] == "policy" and row["task"] != "all":
            found = row["success"][main_protocol(row["task"])]
            name = row["task"] + (f", split {row['split']}" if row["split"] else "")
            interval = (found["low"], found["high"])
            record_success(place, Success(name, found["share"], interval, row["episodes"]))
    print(f"model card: {place / 'README.md'}")
