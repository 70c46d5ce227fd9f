"""The table-top scene that all manipulation tasks share: block, zone, open bin, drawer cabinet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from octoworld.core.registry import ROBOTS
from robots.spec import BodySpec, CameraSpec, GeomSpec, JointSpec, SiteSpec, Vec3
from sim.scene import RobotPlacement, Scene

TABLE_RGBA = (0.36, 0.34, 0.33, 1.0)
BIN_RGBA = (0.80, 0.80, 0.82, 1.0)
BIN_FLOOR_RGBA = (0.55, 0.55, 0.58, 1.0)
WOOD_RGBA = (0.50, 0.36, 0.24, 1.0)
DRAWER_RGBA = (0.82, 0.66, 0.46, 1.0)
HANDLE_RGBA = (0.97, 0.97, 0.95, 1.0)

SLIDING = (0.5, 0.005, 0.0001)
"""Friction of wood on wood; with the pads' 2.0, at most 1 / 0.5, a push can never jam the block."""


@dataclass(frozen=True)
class TabletopSizes:
    """Sizes of the objects; the table's top is z = 0, the robot's base the origin."""

    block_half: float = 0.025
    """Half edge of the cube [m]."""
    block_mass: float = 0.08
    """[kg]."""
    zone_radius: float = 0.07
    """[m]."""
    bin_half: float = 0.07
    """Half outer width of the square bin [m]."""
    bin_height: float = 0.045
    """Of the walls [m]; lower than the palm when the gripper grasps beside the bin."""
    wall: float = 0.004
    """Half thickness of bin walls and cabinet boards [m]."""
    cabinet_half: Vec3 = (0.07, 0.075, 0.035)
    """Half width, depth and height of the cabinet [m]."""
    handle_reach: float = 0.055
    """From the drawer's face to the bar's axis [m]: room for two closed fingers (24 mm)."""
    handle_height: float = 0.048
    """Of the bar above the table [m]."""
    handle_half_length: float = 0.035
    """[m]."""
    drawer_travel: float = 0.14
    """[m]."""


SIZES = TabletopSizes()


def _block(sizes: TabletopSizes) -> BodySpec:
    half = sizes.block_half
    box = GeomSpec(
        "block",
        "box",
        (half,) * 3,
        rgba=(0.8, 0.1, 0.1, 1.0),
        friction=SLIDING,
        contact_dim=4,
        contact_time=0.01,
    )
    return BodySpec(
        "block",
        position=(0.5, 0.0, half),
        joint=JointSpec("block_free", "free"),
        geoms=(box,),
        mass=sizes.block_mass,
    )


def _zone(sizes: TabletopSizes) -> BodySpec:
    disc = GeomSpec(
        "zone",
        "cylinder",
        (sizes.zone_radius, 0.0006),
        rgba=(0.1, 0.6, 0.2, 1.0),
        collides=False,
    )
    return BodySpec("zone", position=(0.62, 0.0, 0.0006), geoms=(disc,), movable_base=True)


def _bin(sizes: TabletopSizes) -> BodySpec:
    half, wall, height = sizes.bin_half, sizes.wall, sizes.bin_height / 2
    edge = half - wall
    walls = [
        GeomSpec("bin_front", "box", (wall, half, height), (edge, 0, height), rgba=BIN_RGBA),
        GeomSpec("bin_back", "box", (wall, half, height), (-edge, 0, height), rgba=BIN_RGBA),
        GeomSpec("bin_left", "box", (half, wall, height), (0, edge, height), rgba=BIN_RGBA),
        GeomSpec("bin_right", "box", (half, wall, height), (0, -edge, height), rgba=BIN_RGBA),
    ]
    floor = GeomSpec("bin_floor", "box", (edge, edge, 0.002), (0, 0, 0.002), rgba=BIN_FLOOR_RGBA)
    return BodySpec("bin", position=(0.5, -0.22, 0.0), geoms=(floor, *walls), movable_base=True)


def _cabinet(sizes: TabletopSizes) -> tuple[BodySpec, BodySpec]:
    x, y, z = sizes.cabinet_half
    wall = sizes.wall
    boards = (
        GeomSpec("cabinet_top", "box", (x, y, wall), (0, 0, 2 * z - wall), rgba=WOOD_RGBA),
        GeomSpec("cabinet_left", "box", (wall, y, z), (x - wall, 0, z), rgba=WOOD_RGBA),
        GeomSpec("cabinet_right", "box", (wall, y, z), (wall - x, 0, z), rgba=WOOD_RGBA),
    )
    cabinet = BodySpec("cabinet", position=(0.5, 0.27, 0.0), geoms=boards, movable_base=True)
    # The drawer's frame is at the middle of its front panel, at the height of the table. Its box
    # slides inside the boards with 4 mm of air; only the panel and the handle collide.
    inner, depth, panel = x - 2 * wall - 0.004, y - 0.008, 0.005
    bar, reach = sizes.handle_height, sizes.handle_reach
    length = sizes.handle_half_length
    post = (0.004, (reach - panel) / 2, 0.004)
    middle = -(reach + panel) / 2
    drawn = {"rgba": DRAWER_RGBA, "collides": False}
    parts = (
        GeomSpec("drawer_panel", "box", (x, panel, z - 0.004), (0, 0, z), rgba=DRAWER_RGBA),
        GeomSpec("drawer_floor", "box", (inner, depth, 0.002), (0, depth, 0.012), **drawn),
        GeomSpec("drawer_left", "box", (0.003, depth, 0.016), (inner, depth, 0.026), **drawn),
        GeomSpec("drawer_right", "box", (0.003, depth, 0.016), (-inner, depth, 0.026), **drawn),
        GeomSpec(
            "handle_bar",
            "box",
            (length + 0.004, 0.006, 0.007),
            (0, -reach, bar),
            rgba=HANDLE_RGBA,
        ),
        GeomSpec("handle_post_left", "box", post, (length, middle, bar), rgba=HANDLE_RGBA),
        GeomSpec("handle_post_right", "box", post, (-length, middle, bar), rgba=HANDLE_RGBA),
    )
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
        sites=(SiteSpec("handle", (0, -reach, bar)),),
        mass=0.4,
    )
    return cabinet, drawer


# From far off with a narrow view (1 px is about 1 cm everywhere), 40 deg above the table: low
# enough to see the held block under the palm, high enough to tell near from far.
FRONT_CAMERA = CameraSpec(
    "front", position=(1.65, -0.03, 1.03), look_at=(0.50, -0.03, 0.065), fovy_deg=24.0
)


DISTRACTORS: tuple[GeomSpec, ...] = (
    GeomSpec("ball", "sphere", (0.02,), rgba=(0.95, 0.55, 0.15, 1.0), friction=SLIDING),
    GeomSpec("can", "cylinder", (0.018, 0.028), rgba=(0.92, 0.92, 0.90, 1.0), friction=SLIDING),
    GeomSpec("box", "box", (0.03, 0.014, 0.02), rgba=(0.10, 0.10, 0.11, 1.0), friction=SLIDING),
)
"""Shapes of things that nobody asks for, in colours that no instruction names."""


def distractor(index: int) -> BodySpec:
    """Thing number `index` to stand about; its name is `distractor0`, `distractor1`, ..."""
    geom = DISTRACTORS[index % len(DISTRACTORS)]
    name = f"distractor{index}"
    # rolling friction: a ball that is let go on the table stays there
    shape = replace(geom, name=name, contact_dim=6, friction=(0.5, 0.005, 0.002))
    return BodySpec(
        name,
        position=(0.3 + 0.1 * index, 0.6, standing_height(index)),
        joint=JointSpec(f"{name}_free", "free"),
        geoms=(shape,),
        mass=0.05,
    )


def standing_height(index: int) -> float:
    """Of a distractor's centre above the table [m]."""
    geom = DISTRACTORS[index % len(DISTRACTORS)]
    return geom.size[-1]


def front_camera(scale: float = 1.0) -> CameraSpec:
    """The front camera, `scale` times as far from and as high above the arm's base [-]."""

    def scaled(point: Vec3) -> Vec3:
        return (scale * point[0], scale * point[1], scale * point[2])

    to = FRONT_CAMERA.look_at or (0.0, 0.0, 0.0)
    return replace(FRONT_CAMERA, position=scaled(FRONT_CAMERA.position), look_at=scaled(to))


@cache
def tabletop_scene(
    robot: str = "panda", sizes: TabletopSizes = SIZES, distractors: int = 0
) -> Scene:
    """Robot, table, block, zone, bin (right), cabinet with a drawer (left), seen from the front."""
    others = tuple(distractor(i) for i in range(distractors))
    table = GeomSpec(
        "table", "box", (0.60, 0.70, 0.02), (0.40, 0.0, -0.02), rgba=TABLE_RGBA, friction=SLIDING
    )
    return Scene(
        name="tabletop",
        robots=(RobotPlacement(ROBOTS.get(robot)()),),
        bodies=(_block(sizes), _zone(sizes), _bin(sizes), *_cabinet(sizes), *others),
        static_geoms=(table,),
        cameras=(FRONT_CAMERA,),
    )
