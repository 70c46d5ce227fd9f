"""A toy scene (free block, servo arm, drawer in a movable cabinet) and a toy environment on it."""

import gymnasium
import numpy as np
import pytest

from robots.spec import (
    ActuatorSpec,
    BodySpec,
    CameraSpec,
    GeomSpec,
    JointSpec,
    RobotSpec,
    SiteSpec,
)
from sim.backends.mujoco import MujocoWorld
from sim.scene import RobotPlacement, Scene
from sim.vec_env import VecEnv

ARM = RobotSpec(
    name="arm",
    bodies=(
        BodySpec("base"),
        BodySpec(
            "link", parent="base", position=(0, 0, 0.5), gravity_compensation=1.0,
            joint=JointSpec("hinge", "hinge", axis=(0, 1, 0), range=(-2, 2), damping=0.1),
            geoms=(
                GeomSpec("link_geom", "box", (0.15, 0.03, 0.03), position=(0.15, 0, 0), mass=1.0),
                GeomSpec("link_hull", "sphere", (0.05,), visible=False, rgba=(0, 1, 0, 1), mass=0),
            ),
            sites=(SiteSpec("tip", (0.3, 0, 0)),),
        ),
    ),
    actuators=(ActuatorSpec("servo", "hinge", 50, 5, 30, (-2, 2)),),
    home={"hinge": 0.3},
    tool_site="tip",
)  # fmt: skip
SCENE = Scene(
    name="toy",
    robots=(RobotPlacement(ARM),),
    bodies=(
        BodySpec(
            "block", position=(0.3, 0.3, 0.06), joint=JointSpec("block_free", "free"), mass=0.2,
            geoms=(GeomSpec("block_geom", "box", (0.05, 0.05, 0.05), rgba=(1, 0, 0, 1)),),
        ),
        BodySpec(
            "cabinet", position=(-0.5, 0, 0.2), movable_base=True,
            geoms=(GeomSpec("cabinet_geom", "box", (0.1, 0.1, 0.1)),),
        ),
        BodySpec(
            "drawer", parent="cabinet", position=(0.1, 0, 0), mass=0.3,
            joint=JointSpec("slide", "slide", axis=(1, 0, 0), range=(0, 0.2), damping=1),
            geoms=(GeomSpec("drawer_geom", "box", (0.01, 0.08, 0.05), position=(0.05, 0, 0)),),
        ),
    ),
    static_geoms=(GeomSpec("floor", "plane", (2, 2)),),
    cameras=(CameraSpec("front", (1.2, 0.1, 1.0), look_at=(0, 0, 0.2)),),
)  # fmt: skip


class ToyEnv(VecEnv):
    """Move the arm; success is a hinge above 0.75 rad."""

    def __init__(self, num_envs=3, max_episode_length=5, vision=False, **kwargs):
        self.vision = vision
        space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        if vision:
            image = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
            space = gymnasium.spaces.Dict(
                {"observation.images.front": image, "observation.state": space}
            )
        super().__init__(
            num_envs=num_envs, single_observation_space=space, fps=10,
            single_action_space=gymnasium.spaces.Box(-1, 1, (1,), np.float32),
            max_episode_length=max_episode_length, **kwargs,
        )  # fmt: skip
        self.world = MujocoWorld(SCENE, num_envs)

    def _reset(self, mask, seeds):
        self.world.reset(mask)
        x = np.array([np.random.default_rng(s).uniform(0.2, 0.4) for s in seeds[mask]])
        pose = np.zeros((len(x), 7))
        pose[:, 0], pose[:, 1], pose[:, 2], pose[:, 3] = x, 0.3, 0.05, 1
        self.world.set_pose("block", pose, mask)
        self.world.refresh(mask)
        for i in np.flatnonzero(mask):
            self.instructions[i] = f"raise the arm {seeds[i]}"

    def _step(self, actions):
        target = self.world.joint_position("hinge") + 0.5 * actions
        self.world.step(target, 20, None if self.live.all() else self.live)
        angle = self.world.joint_position("hinge")[:, 0]
        success = angle > 0.75
        return {"success": success, "angle": angle}, angle, success

    def _observe(self):
        block = self.world.pose("block")[:, :2]
        state = np.concatenate([block, self.world.joint_position("hinge")], 1).astype(np.float32)
        if not self.vision:
            return state
        images = self.world.render("front")
        return {"observation.images.front": images, "observation.state": state}

    def render_frames(self, camera=None, worlds=None, size=None):
        return self.world.render(camera or "front", worlds, size)

    def close_extras(self, **kwargs):
        self.world.close()


@pytest.fixture
def scene():
    return SCENE


@pytest.fixture
def make_world():
    worlds = []

    def make(num_worlds=4, scene=SCENE, **kwargs):
        worlds.append(MujocoWorld(scene, num_worlds, **kwargs))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def make_env():
    envs = []

    def make(*args, **kwargs):
        envs.append(ToyEnv(*args, **kwargs))
        return envs[-1]

    yield make
    for env in envs:
        env.close()
