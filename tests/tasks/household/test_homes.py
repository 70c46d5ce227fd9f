"""Homes: thirty layouts that differ, in which the robot gets everywhere and touches nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tasks.household.furniture import FURNITURE
from tasks.household.geometry import REACH, _candidates
from tasks.household.home import Home, make_home
from tasks.household.planner import BASE_RADIUS, Planner, free_center, swung_out
from tasks.household.walls import wall_rects


def rooms_of(home: Home) -> tuple:
    return tuple((r.name, r.rect) for r in home.plan.rooms)


def test_thirty_layouts_have_all_furniture_and_no_two_are_alike(homes):
    for home in homes:
        assert set(FURNITURE) - {"armchair"} <= {p.kind.name for p in home.pieces}
        assert len(home.rooms) >= 5 and len({p.name for p in home.pieces}) == len(home.pieces)
    assert len({rooms_of(home) for home in homes}) == len(homes)


def test_a_seed_gives_the_same_home_again():
    first, again = make_home(3), make_home.__wrapped__(3)
    assert rooms_of(first) == rooms_of(again) and first.start == again.start
    assert [(p.name, p.x, p.y, p.yaw) for p in first.pieces] == [
        (p.name, p.x, p.y, p.yaw) for p in again.pieces
    ]


def test_furniture_stands_in_its_room_and_nothing_overlaps(homes):
    for home in homes:
        for i, piece in enumerate(home.pieces):
            x0, y0, x1, y1 = piece.footprint
            room = home.rooms[piece.room].rect
            assert room[0] < x0 and room[1] < y0 and x1 < room[2] and y1 < room[3]
            for other in home.pieces[i + 1 :]:
                a, b, c, d = other.footprint
                assert not (x0 < c and a < x1 and y0 < d and b < y1), (piece.name, other.name)


def test_every_piece_and_room_is_reached_with_all_doors_open_and_with_none(homes):
    for home in homes[:10]:
        planner = Planner(home)
        everything = frozenset(p.name for p in home.pieces if p.kind.openable)
        for opened in (frozenset(), everything):
            for piece in home.pieces:
                assert planner.way(home.start[:2], piece.stand, opened), piece.name
            for room in home.rooms:
                assert planner.way(home.start[:2], (*free_center(planner, room), 0.0), opened)


def test_ways_touch_neither_walls_nor_furniture_nor_open_doors(homes):
    home = homes[1]
    planner = Planner(home)
    opened = frozenset({"fridge_1", "oven_1", "wardrobe_1"})
    rects = [*wall_rects(home.plan), *(p.footprint for p in home.pieces)]
    rects += [r for name in opened for r in swung_out(home.by_name[name])]
    for piece in home.pieces:
        way = planner.way(home.start[:2], piece.stand, opened)
        assert way is not None
        points = planner.points(way)
        assert points[0] == home.start[:2] and points[-1] == piece.stand[:2]
        steps = [math.dist(a, b) for a, b in pairwise(points)]
        assert max(steps) < 0.3 and abs(sum(steps) - way.length) < 1e-3
        for x, y in points:
            for x0, y0, x1, y1 in rects:
                near = math.hypot(max(x0 - x, 0, x - x1), max(y0 - y, 0, y - y1))
                assert near >= BASE_RADIUS, (piece.name, x, y)


def test_without_doorways_there_is_no_way_to_other_rooms(homes):
    home = homes[0]
    shut = Home(home.seed, replace(home.plan, doorways=()), home.pieces, home.start)
    planner = Planner(shut)
    here = home.room_at(*home.start[:2])
    for piece in home.pieces:
        way = planner.way(home.start[:2], piece.stand, frozenset())
        assert (way is not None) == (piece.room == here)


def test_open_doors_stand_in_the_way(homes):
    home = homes[0]
    planner = Planner(home)
    closed = planner.blocked(frozenset())
    opened = planner.blocked(frozenset({"fridge_1"}))
    assert (opened & closed == closed).all() and opened.sum() > closed.sum()


def test_the_arm_gets_to_all_that_counts_as_within_reach():
    """Inverse kinematics brings the tool within 2 cm of every spot that `reaches` allows."""
    from robots.control.ik import InverseKinematics, ik_config
    from robots.mobile_panda.spec import MOUNT
    from robots.panda import panda

    config = ik_config(panda(), orientation_cost=0.02, lm_damping=1e-2, iterations=30)
    arm = InverseKinematics(panda(), config)
    points = []
    for kind in FURNITURE.values():
        for relation in ("on", "in"):
            for x, y, z in _candidates(kind, relation, 0.036)[::6]:
                ahead = y + kind.size[1] / 2 + kind.standoff - MOUNT[0]
                point = np.array([ahead, -x, z + 0.07 - MOUNT[2]])
                if np.linalg.norm(point - [0, 0, 0.333]) <= REACH:
                    points.append(point)
    points = np.array(points)
    off = np.full(len(points), np.inf)
    for quat in ((0.0, 1.0, 0.0, 0.0), (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0)):
        joints = np.tile(arm.home, (len(points), 1))
        for _ in range(8):
            joints = arm.solve(joints, np.c_[points, np.tile(quat, (len(points), 1))])
        tool = np.asarray(arm.kinematics.tool_pose(joints))[:, :3]
        off = np.minimum(off, np.linalg.norm(tool - points, axis=1))
    assert len(points) > 300 and (off < 0.02).all()
