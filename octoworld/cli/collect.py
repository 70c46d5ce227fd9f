"""`octoworld collect TASK`: record an expert, a policy or a person as a LeRobot v3 data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from .parse import parse
from .workers import workers

FIRST_SEED = 1_000_000
Options = dict[str, Any]


@dataclass(frozen=True)
class CollectArgs:
    """Roll out in true physics and write what was seen, felt and done.

    The task's scripted expert acts, a policy (`--policy`), or you, in the browser (`--teleop`).
    Of a household task, such as put_away:mug:cabinet, the oracle's program is recorded, call by
    call.
    """

    task: Annotated[str, tyro.conf.Positional]
    """Registered task, or a household one."""
    out: Path
    """Folder of the new data set; with an existing one, episodes are appended."""
    episodes: int = 10
    """How many; with --teleop, how many are kept before the session ends by itself."""
    first_seed: int | None = None
    """Start seeds are first_seed, first_seed + 1, ...; default: 1,000,000, or on from the last one
    of this task in an existing data set."""
    policy: Path | None = None
    """Folder of a policy that acts."""
    temperature: float = 0.0
    """Factor on the policy's noise scale; 0 is its mean action."""
    noise: float = 0.0
    """Standard deviation of noise added to the expert's actions, which are in [-1, 1]. `action` is
    what was carried out, `expert.action` what the expert wanted."""
    teleop: bool = False
    """Drive the arm yourself, by keyboard or gamepad; every episode you keep is on disk at once."""
    robot: str | None = None
    """Registered robot; default: the task's own."""
    control_mode: str | None = None
    """With --teleop: ee_delta_pos or ee_delta_pose; default: the task's own."""
    split: str = ""
    """What starts are drawn from, such as train; default: everything."""
    backend: str | None = None
    """Physics backend; default: the policy's, or the task's."""
    cameras: tuple[str, ...] = ()
    """Cameras recorded; default: the task's."""
    hold_steps: int = 6
    """Steps recorded after the first success."""
    layout: int = 0
    """Of a household task: seed of the home."""
    num_envs: int = 25
    """Worlds rolled out together; with --teleop one."""
    cluster: str = ""
    """Ray workers that share the episodes: local:4 starts four here, else the address of a running
    cluster, or auto; the same episodes, whatever worker is lost on the way."""
    seconds: float = 60.0
    """With --teleop: length of an episode at most [s]."""
    port: int = 8080
    """With --teleop: first port to try for the page; if it is taken, the next free one is used."""
    host: str = "127.0.0.1"
    """With --teleop: address to listen on; 0.0.0.0 lets other machines in, with a token."""
    theme: Literal["dark", "light"] = "dark"
    """With --teleop: colours of the page."""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit status."""
    args = parse(CollectArgs, "collect", argv)
    from octoworld.core.registry import ROBOTS, TASKS
    from octoworld.recipes.recording import check_fits, next_seed

    if ":" in args.task:
        print(_programs(args))
        return 0
    task = TASKS.get(args.task)
    robot = args.robot or task.robot
    ROBOTS.get(robot)
    _check(args)
    check_fits(args.out, robot, args.control_mode or task.control_mode)
    first = args.first_seed
    if first is None:
        first = next_seed(args.out, args.task, FIRST_SEED)
    named = {"backend": args.backend, "control_mode": args.control_mode}
    options = {name: value for name, value in named.items() if value is not None}
    cameras = args.cameras or tuple(task.cameras)
    record = _teleoperate if args.teleop else _roll_out
    facts = record(args, cameras, first, {"robot": robot} if args.robot else {}, options)
    print(", ".join(f"{name} {value:g}" for name, value in facts.items()))
    return 0


def _programs(args: CollectArgs) -> str:
    """Record the oracle's programs from start after start; what came of them."""
    from octoworld.core.io import write_text
    from octoworld.recipes.program_recording import OracleAgent, home_scene, record_programs
    from octoworld.recipes.recording import next_seed, write_dataset
    from tasks.household import Instance
    from vla.programmer import make_runner

    _check(args)
    first = args.first_seed
    if first is None:
        first = next_seed(args.out, args.task, 0)
    instances = [Instance(args.task, args.layout, first + k) for k in range(args.episodes)]
    made = (record_programs(i, OracleAgent(i), make_runner())[0] for i in instances)
    facts = write_dataset(args.out, made, append=True, commit_each=True)
    write_text(args.out / "scene.xml", home_scene(instances[0]))
    return ", ".join(f"{name} {value:g}" for name, value in facts.items())


def _check(args: CollectArgs) -> None:
    """Options that do not go together."""
    from octoworld.core.errors import ConfigError

    if args.episodes < 1:
        raise ConfigError(f"episodes: expected at least 1, got {args.episodes}")
    if args.teleop and args.policy is not None:
        raise ConfigError("--teleop and --policy: either you drive or the policy does")
    if args.cluster and (args.teleop or ":" in args.task):
        raise ConfigError("--cluster is for the roll-outs of an expert or a policy on a task")
    if args.noise and (args.teleop or args.policy is not None):
        raise ConfigError("--noise is the expert's; a policy has --temperature")
    if args.control_mode is not None and not args.teleop:
        raise ConfigError(
            "--control-mode is for --teleop: experts and policies have one of their own"
        )


def _roll_out(
    args: CollectArgs, cameras: tuple[str, ...], first: int, chosen: Options, options: Options
) -> dict[str, Any]:
    from octoworld.core.io import write_text
    from octoworld.core.registry import TASKS
    from octoworld.recipes.afield import collect_afield
    from octoworld.recipes.recording import write_dataset
    from octoworld.recipes.rollouts import RolloutConfig, collect
    from sim.backends.mjcf import scene_xml
    from vla.checkpoint import load_policy

    task, policy = TASKS.get(args.task), None
    if args.policy is not None:
        robot = args.robot or task.robot
        policy = load_policy(args.policy, robot=robot, control_mode=task.control_mode)
    config = RolloutConfig(
        args.num_envs, args.hold_steps, args.temperature, cameras, args.noise
    )  # fmt: skip
    seeds = range(first, first + args.episodes)
    source = "expert" if policy is None else "policy"
    how: Options = {
        "policy": policy, "source": source, "split": args.split, "task_options": chosen,
        "options": options,
    }  # fmt: skip
    with workers(args.cluster) as cluster:
        if cluster is None:
            episodes = collect(args.task, seeds, config, **how)
        else:
            episodes = collect_afield(cluster, args.task, seeds, config, **how)
        facts = write_dataset(args.out, episodes, append=True)
    chosen = chosen | ({"split": args.split} if args.split else {})
    write_text(args.out / "scene.xml", scene_xml(task(1, **chosen).scene()))  # `octoworld view`
    return facts


def _teleoperate(
    args: CollectArgs, cameras: tuple[str, ...], first: int, chosen: Options, options: Options
) -> dict[str, Any]:
    from octoworld.recipes.rollouts import RolloutConfig
    from octoworld.recipes.teleop import TeleopConfig, teleoperate

    config = TeleopConfig(
        args.episodes, first, args.seconds, port=args.port, host=args.host, theme=args.theme
    )
    rollouts = RolloutConfig(1, args.hold_steps, cameras=cameras)
    return teleoperate(
        args.task, args.out, rollouts, config, split=args.split, task_options=chosen,
        options=options,
    )  # fmt: skip
