"""`octoworld play NAME`: a task live in the browser, or episodes recorded and shown."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .parse import parse


@dataclass(frozen=True)
class PlayArgs:
    """Live: a task in the browser, acted by a policy, the expert, chance or you.

    A household task, such as put_away:mug:cabinet, is always live: you call skills or run programs.
    Not live: roll a policy or an expert out, write data set, films, flight logs, open the viewer.
    """

    policy: Annotated[Path, tyro.conf.Positional]
    """Run folder of `octoworld train`, the folder of a policy, or a task, for its expert."""
    task: str | None = None
    """Registered task; default: the one it was trained in."""
    live: bool | None = None
    """Open the task in the browser and take the controls; by default at a terminal, for a task."""
    world: Path | None = None
    """Live: a world model (its folder, or a run's) that dreams along, beside the truth."""
    driver: Literal["you", "policy", "expert", "programmer", "teacher", "random"] | None = None
    """Live: who acts first; default: the policy, or else the expert; in a household you. There are
    two more in households: the shipped programmer, and a teacher, who is an oracle that forgets."""
    layout: int = 0
    """Of a household task: seed of the home."""
    seconds: float = 120.0
    """Live: length of an episode at most [s]."""
    host: str = "127.0.0.1"
    """Live: address to listen on; 0.0.0.0 lets other machines in, with a token."""
    theme: Literal["dark", "light"] = "dark"
    """Live: colours of the page."""
    episodes: int = 4
    """Episodes recorded."""
    first_seed: int = 5_000_000
    """Start seeds are first_seed, first_seed + 1, ..."""
    cameras: tuple[str, ...] = ()
    """Cameras recorded; default: all of the task's. Films show the first."""
    film_size: tuple[int, int] = (360, 480)
    """Height and width of films [pixel]."""
    logs: bool = True
    """Log flights (npz, CSV) and draw position, attitude and RPM over time."""
    out: Path | None = None
    """Where to record; default: the run folder, or runs/play for a bare policy. Live: the data set
    that the page's button records into; default: a new one, runs/live-TASK/episodes/live-K."""
    port: int = 8080
    """First port to try for the viewer."""
    serve: bool | None = None
    """Not live: open the viewer at the end; by default only at a terminal."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(PlayArgs, "play", argv)
    if ":" in str(args.policy) and not args.policy.exists():
        return go_home(args, str(args.policy))
    policy, task = actor(args.policy, args.task)
    is_live = args.live
    if is_live is None:
        wants = args.world is not None or args.driver is not None
        is_live = wants or (policy is None and args.serve is None and sys.stdout.isatty())
    if is_live:
        return go_live(args, policy, task)
    is_run = (args.policy / "config.yaml").exists()
    bare = Path("runs") / ("play" if policy is not None else f"expert-{task}")
    folder = args.out or (args.policy if is_run else bare)
    show(
        policy, folder, args.port, args.serve, task=task, episodes=args.episodes,
        first_seed=args.first_seed, cameras=args.cameras, film_size=args.film_size, logs=args.logs,
    )  # fmt: skip
    return 0


def actor(name: Path, task: str | None) -> tuple[Any, str | None]:
    """The policy in a folder, or None and the task whose expert is meant."""
    from octoworld.core.errors import ConfigError, UnknownNameError
    from octoworld.core.registry import TASKS
    from vla.checkpoint import load_policy

    if name.exists():
        return load_policy(name), task
    if name.name != str(name):  # a path
        raise ConfigError(f"{name} does not exist; expected a run, a policy, or the name of a task")
    if str(name) not in TASKS:
        raise UnknownNameError("run, policy or task", str(name), TASKS.names())
    if task not in (None, str(name)):
        raise ConfigError(f"the expert of {name} does not do {task}: octoworld play {task}")
    return None, str(name)


def go_live(args: PlayArgs, policy: Any, task: str | None) -> int:
    """Run the task live until the person is done; say what was recorded."""
    from octoworld.core.errors import ConfigError
    from octoworld.recipes.live import LiveConfig, play_live

    task = task or getattr(getattr(policy, "config", None), "task", "")
    if not task:
        raise ConfigError("play: this policy names no task; say which with --task")
    out = _place(args, task)
    config = LiveConfig(
        args.first_seed, args.seconds, args.cameras, driver=args.driver, port=args.port,
        host=args.host, theme=args.theme,
    )  # fmt: skip
    facts = play_live(task, out, config, policy=policy, world_model=args.world)
    return _told(facts)


def go_home(args: PlayArgs, task: str) -> int:
    """Run a household task live until the person is done; say what was recorded."""
    from octoworld.core.errors import ConfigError
    from octoworld.recipes.live.home import HomeConfig, play_home

    if args.live is False:
        raise ConfigError(
            f"{task} runs live only; `octoworld collect {task}` records the oracle's programs"
        )
    given = {"--task": args.task, "--world": args.world, "--cameras": args.cameras or None}
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"{name} is not for household tasks")
    if args.driver == "policy":
        raise ConfigError(
            "--driver policy: in a household you, expert, programmer, teacher or random act"
        )
    config = HomeConfig(
        args.layout, args.first_seed, args.driver or "you", port=args.port, host=args.host,
        theme=args.theme,
    )  # fmt: skip
    return _told(play_home(task, _place(args, task.replace(":", "-")), config))


def _place(args: PlayArgs, task: str) -> Path:
    """The data set to record into; what killed sessions have left beside it is brought in."""
    from octoworld.recipes.fly.play import next_name
    from octoworld.recipes.unfinished import recover_all

    signal.signal(signal.SIGTERM, _interrupt)
    if args.out is not None:
        return args.out  # whose own is brought in as the session opens it
    run = Path("runs") / f"live-{task}"
    for line in recover_all(run):
        print(line)
    return run / "episodes" / next_name(run, "live")


def _told(facts: dict[str, Any]) -> int:
    print(f"{facts['episodes']} episodes recorded")
    if facts["episodes"]:
        print(f"see them: octoworld view {facts['dataset']}")
    return 0


def _interrupt(*_: object) -> None:
    """A server that is told to end saves what it is recording, as at Ctrl-C."""
    raise KeyboardInterrupt


def show(policy, folder: Path, port: int = 8080, serve: bool | None = None, **options) -> None:
    """Play, print what came of it, and open the viewer or say how to."""
    from octoworld.recipes.fly.play import play

    facts = play(policy, folder, **options)
    print(
        f"{facts['task']}: {facts['episodes']} episodes, {facts['steps']} steps, "
        f"{100 * facts['success_at_end']:.0f} % in success at the end"
    )
    for files in facts["files"]:
        print("  ".join(f"{kind}: {path}" for kind, path in files.items()))
    if serve or (serve is None and sys.stdout.isatty()):
        from octoworld.viewer.app import serve as open_viewer

        open_viewer(folder, port=port)
    else:
        print(f"viewer: octoworld view {folder}")
