"""The scene of StackTwo, SortByColor, PressButton and TurnLever: blocks, pads, buttons, a lever."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from octoworld.core.registry import ROBOTS
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec, SiteSpec
from sim.scene import RobotPlacement, Scene

from .scene import SLIDING, TABLE_RGBA

HOUSING_RGBA = (0.16, 0.17, 0.19, 1.0)
ARM_RGBA = (0.62, 0.63, 0.66, 1.0)
KNOB_RGBA = (0.97, 0.97, 0.95, 1.0)
DISTRACTORS = ("distractor_0", "distractor_1")


@dataclass(frozen=True)
class WorkbenchSizes:
    """Sizes of the objects; the table's top is z = 0, the robot's base the origin."""

    block_half: float = 0.025
    """Half edge of the cubes [m]."""
    block_mass: float = 0.08
    """[kg]."""
    pad_half: float = 0.045
    """Half edge of the square pads, which are flat [m]."""
    housing_half: float = 0.032
    """Half width of the buttons' housings [m]."""
    housing_height: float = 0.026
    """[m]."""
    cap_radius: float = 0.025
    """Of the buttons' caps [m]."""
    cap_height: float = 0.022
    """Of a cap that is up, above its housing [m]."""
    button_travel: float = 0.014
    """[m]."""
    pivot_height: float = 0.03
    """Of the lever's axis [m]."""
    lever_length: float = 0.095
    """From the axis to the middle of the knob [m]."""
    knob_radius: float = 0.017
    """[m]."""
    lever_range: float = 1.22
    """Most turn of the lever to either side [rad], 70 deg."""
    distractor_radius: float = 0.018
    """[m]."""


SIZES = WorkbenchSizes()


def _block(name: str, y: float, sizes: WorkbenchSizes) -> BodySpec:
    half = sizes.block_half
    box = GeomSpec(name, "box", (half,) * 3, friction=SLIDING, contact_dim=4, contact_time=0.01)
    joint = JointSpec(f"{name}_free", "free")
    return BodySpec(
        name, position=(0.45, y, half), joint=joint, geoms=(box,), mass=sizes.block_mass
    )


def _pad(name: str, y: float, sizes: WorkbenchSizes) -> BodySpec:
    half = sizes.pad_half
    square = GeomSpec(name, "box", (half, half, 0.0006), collides=False)
    return BodySpec(name, position=(0.45, y, 0.0006), geoms=(square,), movable_base=True)


def _button(name: str, y: float, sizes: WorkbenchSizes) -> tuple[BodySpec, BodySpec]:
    """A push button that stays where it is pushed to: held by dry friction, not by a spring."""
    half, up = sizes.housing_half, sizes.housing_height / 2
    box = GeomSpec(f"{name}_housing", "box", (half, half, up), (0, 0, up), rgba=HOUSING_RGBA)
    housing = BodySpec(f"{name}_base", position=(0.66, y, 0.0), geoms=(box,), movable_base=True)
    slide = JointSpec(
        f"{name}_slide",
        "slide",
        axis=(0.0, 0.0, -1.0),
        range=(0.0, sizes.button_travel),
        damping=10.0,
        friction_loss=3.0,
    )
    # the frame is at the middle of the cap's top
    tall = sizes.cap_height / 2 + 0.004
    cap = GeomSpec(name, "cylinder", (sizes.cap_radius, tall), (0, 0, -tall))
    top = (0.0, 0.0, sizes.housing_height + sizes.cap_height)
    # MuJoCo's dry friction is soft and creeps under a load: no weight, or the cap would sink
    return housing, BodySpec(
        name, housing.name, top, joint=slide, geoms=(cap,), mass=0.05, gravity_compensation=1.0
    )


def _lever(sizes: WorkbenchSizes) -> tuple[BodySpec, BodySpec]:
    """An upright lever; its angle is positive to the robot's left, and dry friction keeps it."""
    height, length = sizes.pivot_height, sizes.lever_length
    shape = (0.03, 0.02, height / 2)
    box = GeomSpec("lever_housing", "box", shape, (0, 0, height / 2), rgba=HOUSING_RGBA)
    base = BodySpec("lever_base", position=(0.66, 0.0, 0.0), geoms=(box,), movable_base=True)
    bar = GeomSpec(
        "lever_bar", "box", (0.009, 0.007, length / 2), (0, 0, length / 2), rgba=ARM_RGBA
    )
    knob = GeomSpec("lever_knob", "sphere", (sizes.knob_radius,), (0, 0, length), rgba=KNOB_RGBA)
    hinge = JointSpec(
        "lever_hinge",
        "hinge",
        axis=(-1.0, 0.0, 0.0),
        range=(-sizes.lever_range, sizes.lever_range),
        damping=0.03,
        friction_loss=0.15,
    )
    lever = BodySpec(
        "lever",
        base.name,
        (0.0, 0.0, height),
        joint=hinge,
        geoms=(bar, knob),
        sites=(SiteSpec("knob", (0, 0, length)),),
        mass=0.1,
        gravity_compensation=1.0,
    )
    return base, lever


def _distractors(sizes: WorkbenchSizes) -> tuple[BodySpec, ...]:
    """Clutter: neither cubes nor pads nor buttons, fixed to where they stand."""
    radius = sizes.distractor_radius
    can = GeomSpec(DISTRACTORS[0], "cylinder", (radius, 0.02), (0, 0, 0.02))
    ball = GeomSpec(DISTRACTORS[1], "sphere", (radius,), (0, 0, radius))
    return tuple(
        BodySpec(geom.name, position=(0.4, 0.1 * i, -0.3), geoms=(geom,), movable_base=True)
        for i, geom in enumerate((can, ball))
    )


# as the table-top's front camera, over the middle: 1 px is about 1 cm
FRONT_CAMERA = CameraSpec(
    "front", position=(1.63, 0.0, 1.06), look_at=(0.475, 0.0, 0.045), fovy_deg=23.0
)
SIDE_CAMERA = CameraSpec(
    "side", position=(0.52, -1.15, 0.95), look_at=(0.52, 0.02, 0.055), fovy_deg=23.0
)


@cache
def workbench_scene(robot: str = "panda", sizes: WorkbenchSizes = SIZES) -> Scene:
    """Robot and table; two blocks and two pads near, a lever between two buttons far.

    Two distractors wait under the table.
    """
    table = GeomSpec(
        "table", "box", (0.60, 0.70, 0.02), (0.40, 0.0, -0.02), rgba=TABLE_RGBA, friction=SLIDING
    )
    bodies = (
        *(_block(name, y, sizes) for name, y in (("block_a", 0.08), ("block_b", -0.08))),
        *(_pad(name, y, sizes) for name, y in (("pad_a", 0.2), ("pad_b", -0.2))),
        *_button("button_a", 0.2, sizes),
        *_button("button_b", -0.2, sizes),
        *_lever(sizes),
        *_distractors(sizes),
    )
    moving = ("button_a", "button_b", "lever")
    return Scene(
        name="workbench",
        robots=(RobotPlacement(ROBOTS.get(robot)()),),
        bodies=bodies,
        static_geoms=(table,),
        cameras=(FRONT_CAMERA, SIDE_CAMERA),
        contact_excludes=tuple((f"{name}_base", name) for name in moving),
    )
