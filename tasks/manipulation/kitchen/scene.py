"""The kitchen counter: drawer (left), cupboard (right), stove, plate and two food blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from octoworld.core.registry import ROBOTS
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec, SiteSpec, Vec3
from sim.scene import RobotPlacement, Scene

from ..scene import BIN_FLOOR_RGBA, DRAWER_RGBA, HANDLE_RGBA, SLIDING, TABLE_RGBA, WOOD_RGBA

CUPBOARD_RGBA = (0.28, 0.44, 0.46, 1.0)
DOOR_RGBA = (0.74, 0.93, 0.90, 1.0)
STOVE_RGBA = (0.16, 0.16, 0.18, 1.0)
BURNER_RGBA = (0.42, 0.42, 0.45, 1.0)
PLATE_RGBA = (0.93, 0.92, 0.88, 1.0)
PLATE_RIM_RGBA = (0.70, 0.72, 0.76, 1.0)
LEVER_RGBA = (0.98, 0.55, 0.10, 1.0)


@dataclass(frozen=True)
class KitchenSizes:
    """Sizes of the things; the counter's top is z = 0, the robot's base the origin.

    The Panda's palm is 37 mm above its tool point and 102 mm wide to either side: what stands
    beside a place where the hand goes down must be lower than that.
    """

    block_half: float = 0.0225
    """Half edge of the food blocks [m]."""
    block_mass: float = 0.06
    """[kg]."""
    plate_radius: float = 0.065
    """[m]."""
    plate_height: float = 0.008
    """[m]."""
    board: float = 0.004
    """Half thickness of the boards of cabinet and cupboard [m]."""
    cabinet_half: Vec3 = (0.07, 0.09, 0.035)
    """Half width, depth and height of the drawer's cabinet [m]."""
    drawer_travel: float = 0.16
    """[m]."""
    cupboard_half: Vec3 = (0.065, 0.045, 0.06)
    """Half width, depth and height of the cupboard [m]."""
    door_travel: float = 1.6
    """[rad]."""
    door_handle: float = 0.080
    """From the hinge to the middle of the door's handle, along the door [m]."""
    panel: float = 0.005
    """Half thickness of door and drawer panel [m]."""
    handle_reach: float = 0.055
    """From a panel's middle to its bar's axis [m]: room for two closed fingers (24 mm)."""
    handle_height: float = 0.048
    """Of the drawer's bar above the counter [m]."""
    door_handle_height: float = 0.100
    """Of the door's bar [m]; a hand at it passes over the blocks."""
    stove_half: Vec3 = (0.075, 0.10, 0.015)
    """[m]."""
    knob_from_edge: float = 0.025
    """From the stove's front edge to the knob's axis [m]."""
    lever_length: float = 0.068
    """From the knob's axis to the lever's tip [m]."""
    lever_height: float = 0.050
    """Of the lever's middle above the counter [m]."""
    lever_travel: float = 1.5708
    """[rad]."""


SIZES = KitchenSizes()


def _block(name: str, sizes: KitchenSizes) -> BodySpec:
    half = sizes.block_half
    box = GeomSpec(
        name, "box", (half,) * 3, rgba=(0.8, 0.1, 0.1, 1.0), friction=SLIDING,
        contact_dim=4, contact_time=0.01,
    )  # fmt: skip
    return BodySpec(
        name,
        position=(0.6, -0.1 if name == "block" else -0.25, half),
        joint=JointSpec(f"{name}_free", "free"),
        geoms=(box,),
        mass=sizes.block_mass,
    )


def _plate(sizes: KitchenSizes) -> BodySpec:
    radius, half = sizes.plate_radius, sizes.plate_height / 2
    disc = GeomSpec(
        "plate_disc", "cylinder", (radius, half), (0, 0, half), rgba=PLATE_RIM_RGBA,
        friction=SLIDING,
    )  # fmt: skip
    inner = GeomSpec(
        "plate_inner", "cylinder", (0.75 * radius, 0.0004), (0, 0, 2 * half + 0.0004),
        rgba=PLATE_RGBA, collides=False,
    )  # fmt: skip
    site = SiteSpec("plate_top", (0, 0, 2 * half))
    return BodySpec(
        "plate", position=(0.62, 0.0, 0.0), geoms=(disc, inner), sites=(site,), movable_base=True
    )


def _bar(prefix: str, length: float, at: Vec3, post_end: float) -> tuple[GeomSpec, ...]:
    """A bar along x at `at`, on two posts that end at y = `post_end`."""
    x, y, z = at
    half, middle = abs(post_end - y) / 2, (post_end + y) / 2
    post = (0.004, half, 0.004)
    return (
        GeomSpec(f"{prefix}_bar", "box", (length + 0.004, 0.006, 0.007), at, rgba=HANDLE_RGBA),
        GeomSpec(f"{prefix}_post_a", "box", post, (x + length, middle, z), rgba=HANDLE_RGBA),
        GeomSpec(f"{prefix}_post_b", "box", post, (x - length, middle, z), rgba=HANDLE_RGBA),
    )


def _cabinet(sizes: KitchenSizes) -> tuple[BodySpec, BodySpec]:
    """Cabinet whose drawer is pulled along -y; the drawer's origin is the middle of its panel."""
    x, y, z = sizes.cabinet_half
    wall, panel = sizes.board, sizes.panel
    boards = (
        GeomSpec("cabinet_top", "box", (x, y, wall), (0, 0, 2 * z - wall), rgba=WOOD_RGBA),
        GeomSpec("cabinet_left", "box", (wall, y, z), (x - wall, 0, z), rgba=WOOD_RGBA),
        GeomSpec("cabinet_right", "box", (wall, y, z), (wall - x, 0, z), rgba=WOOD_RGBA),
    )
    cabinet = BodySpec("cabinet", position=(0.42, 0.28, 0.0), geoms=boards, movable_base=True)
    # The box is as low as it can be: a block in it passes under the top board.
    inner, depth = x - 2 * wall - 0.004, y - 0.008
    side = {"rgba": DRAWER_RGBA, "friction": SLIDING}
    parts = (
        GeomSpec("drawer_panel", "box", (x, panel, z - 0.004), (0, 0, z), **side),
        GeomSpec(
            "drawer_floor", "box", (inner, depth, 0.002), (0, depth, 0.006),
            rgba=BIN_FLOOR_RGBA, friction=SLIDING,
        ),
        GeomSpec("drawer_left", "box", (0.003, depth, 0.016), (inner, depth, 0.022), **side),
        GeomSpec("drawer_right", "box", (0.003, depth, 0.016), (-inner, depth, 0.022), **side),
        GeomSpec("drawer_back", "box", (inner, 0.003, 0.016), (0, 2 * depth, 0.022), **side),
        *_bar("drawer", 0.035, (0.0, -sizes.handle_reach, sizes.handle_height), -panel),
    )  # fmt: skip
    slide = JointSpec(
        "drawer_slide",
        "slide",
        axis=(0.0, -1.0, 0.0),
        range=(0.0, sizes.drawer_travel),
        damping=4.0,
        friction_loss=0.6,
    )
    drawer = BodySpec(
        "drawer",
        "cabinet",
        (0.0, -y - panel - 0.001, 0.0),
        joint=slide,
        geoms=parts,
        sites=(
            SiteSpec("drawer_handle", (0, -sizes.handle_reach, sizes.handle_height)),
            SiteSpec("drawer_inside", (0, depth, 0.008)),
        ),
        mass=0.4,
    )
    return cabinet, drawer


def _cupboard(sizes: KitchenSizes) -> tuple[BodySpec, BodySpec]:
    """Cupboard that faces +y; the door's origin is its hinge, closed it reaches along -x."""
    x, y, z = sizes.cupboard_half
    wall, panel = sizes.board, sizes.panel
    boards = (
        GeomSpec("cupboard_top", "box", (x, y, wall), (0, 0, 2 * z - wall), rgba=CUPBOARD_RGBA),
        GeomSpec("cupboard_floor", "box", (x, y, wall), (0, 0, wall), rgba=CUPBOARD_RGBA),
        GeomSpec("cupboard_left", "box", (wall, y, z), (x - wall, 0, z), rgba=CUPBOARD_RGBA),
        GeomSpec("cupboard_right", "box", (wall, y, z), (wall - x, 0, z), rgba=CUPBOARD_RGBA),
        GeomSpec("cupboard_back", "box", (x, wall, z), (0, wall - y, z), rgba=CUPBOARD_RGBA),
    )
    cupboard = BodySpec("cupboard", position=(0.42, -0.27, 0.0), geoms=boards, movable_base=True)
    bar = (-sizes.door_handle, sizes.handle_reach, sizes.door_handle_height)
    parts = (
        GeomSpec("door_panel", "box", (x, panel, z - 0.004), (-x, 0, z), rgba=DOOR_RGBA),
        *_bar("door", 0.032, bar, panel),
    )
    hinge = JointSpec(
        "door_hinge",
        "hinge",
        axis=(0.0, 0.0, -1.0),
        range=(0.0, sizes.door_travel),
        damping=0.04,
        armature=0.001,
        friction_loss=0.02,
    )
    door = BodySpec(
        "door",
        "cupboard",
        (x, y + panel + 0.001, 0.0),
        joint=hinge,
        geoms=parts,
        sites=(SiteSpec("door_handle", bar),),
        mass=0.3,
    )
    return cupboard, door


def _stove(sizes: KitchenSizes) -> tuple[BodySpec, BodySpec]:
    """Stove with a lever on a knob: off it points to -y, on it points to -x."""
    x, y, z = sizes.stove_half
    knob = (0.0, sizes.knob_from_edge - y, 2 * z)
    ring = GeomSpec(
        "burner", "cylinder", (0.055, 0.001), (0, 0.035, 2 * z), rgba=BURNER_RGBA, collides=False
    )
    core = GeomSpec(
        "burner_core", "cylinder", (0.03, 0.002), (0, 0.035, 2 * z), rgba=STOVE_RGBA, collides=False
    )
    box = GeomSpec("stove_box", "box", (x, y, z), (0, 0, z), rgba=STOVE_RGBA, friction=SLIDING)
    stove = BodySpec(
        "stove", position=(0.65, 0.23, 0.0), geoms=(box, ring, core), movable_base=True
    )
    half, up = sizes.lever_length / 2, sizes.lever_height - 2 * z
    parts = (
        GeomSpec("knob", "cylinder", (0.016, 0.012), (0, 0, 0.013), rgba=HANDLE_RGBA),
        GeomSpec("lever_bar", "box", (0.007, half, 0.010), (0, -half, up), rgba=LEVER_RGBA),
    )
    hinge = JointSpec(
        "lever_hinge",
        "hinge",
        axis=(0.0, 0.0, -1.0),
        range=(0.0, sizes.lever_travel),
        damping=0.02,
        armature=0.001,
        friction_loss=0.02,
    )
    tip = SiteSpec("lever_tip", (0, 0.012 - 2 * half, up))
    lever = BodySpec("lever", "stove", knob, joint=hinge, geoms=parts, sites=(tip,), mass=0.05)
    return stove, lever


# From far off with narrow views (1 px of 64 is about 1 cm everywhere). From the front the hand
# hides nothing it does at the drawer; from the side, high over the cabinet, one looks into drawer
# and cupboard.
FRONT_CAMERA = CameraSpec(
    "front", position=(1.70, 0.01, 1.10), look_at=(0.51, 0.02, 0.04), fovy_deg=27.0
)
SIDE_CAMERA = CameraSpec(
    "side", position=(0.60, 1.05, 1.40), look_at=(0.51, 0.0, 0.04), fovy_deg=26
)


@cache
def kitchen_scene(robot: str = "panda", sizes: KitchenSizes = SIZES) -> Scene:
    """Robot, counter, cabinet, cupboard, stove, plate and blocks; seen from front and side."""
    table = GeomSpec(
        "table", "box", (0.60, 0.70, 0.02), (0.40, 0.0, -0.02), rgba=TABLE_RGBA, friction=SLIDING
    )
    return Scene(
        name="kitchen",
        robots=(RobotPlacement(ROBOTS.get(robot)()),),
        bodies=(
            _block("block", sizes),
            _block("other", sizes),
            _plate(sizes),
            *_cabinet(sizes),
            *_cupboard(sizes),
            *_stove(sizes),
        ),
        static_geoms=(table,),
        cameras=(FRONT_CAMERA, SIDE_CAMERA),
        contact_excludes=(("cabinet", "drawer"), ("cupboard", "door"), ("stove", "lever")),
    )
