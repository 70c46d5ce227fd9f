"""The Betaflight bridge, against a peer that speaks the firmware's packets and closes the loop.

The peer decodes as sitl.c does and mixes as mixer.c does, written here from those files and not
from ours, so that a sign that is wrong on our side makes the vehicle diverge.
"""

from __future__ import annotations

import math
import socket
import struct
import threading
from typing import Any

import numpy as np
import pytest

from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.registry import BACKENDS, ROBOTS
from octoworld.data.flightlog import FlightLog
from robots.autopilot.betaflight import AutopilotError, Betaflight, BetaflightConfig
from robots.autopilot.packets import (
    FDM,
    RC,
    SERVO,
    fdm_packet,
    motors_of,
    rc_channels,
    rc_packet,
    rotor_order,
    rotor_speeds,
)
from sim.scene import RobotPlacement, Scene

LEVEL = (1.0, 0.0, 0.0, 0.0)
ZERO = (0.0, 0.0, 0.0)
# M1 rear right, M2 front right, M3 rear left, M4 front left: roll, pitch, yaw (mixer_init.c)
MIXER = np.array([(-1, 1, -1), (-1, -1, 1), (1, 1, 1), (1, -1, -1)], float)
DT = 0.002


def free_ports() -> tuple[int, int, int]:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports[0], ports[1], ports[2]


class Firmware(threading.Thread):
    """Acro mode: body rates from sticks, one proportional gain, Betaflight's mixer.

    `lose` is asked for each packet by its number, whether the peer shall not have got it;
    `garble` sends things that are no servo packets before each answer.
    """

    def __init__(self, config: BetaflightConfig, lose=lambda n: False, garble=False, yaw_gain=3.0):
        super().__init__(daemon=True)
        self.config, self.lose, self.garble, self.yaw_gain = config, lose, garble, yaw_gain
        self.received = 0
        self.times: list[float] = []
        self.running = True
        self.state, self.sticks, self.out = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)
        )
        self.state.bind(("127.0.0.1", config.state_port))
        self.sticks.bind(("127.0.0.1", config.rc_port))
        self.state.settimeout(0.05)
        self.channels = [1500, 1500, 1000, 1500] + [1000] * 12
        self.sticks.setblocking(False)

    def run(self):
        target = ("127.0.0.1", self.config.motor_port)
        while self.running:
            try:
                packet = self.state.recv(1000)
            except TimeoutError:
                continue
            self.received += 1
            if self.lose(self.received):
                continue
            assert len(packet) == 18 * 8
            try:
                while True:
                    _, *self.channels = struct.unpack("<d16H", self.sticks.recv(1000))
            except BlockingIOError:
                pass
            values = struct.unpack("<18d", packet)
            self.times.append(values[0])
            if self.garble:
                self.out.sendto(b"not motors", target)
            self.out.sendto(struct.pack("<4f", *self.motors(values)), target)

    def motors(self, values):
        rpy = values[1:4]
        # sitlGyroBodyFromSim
        gazebo = self.config.bridge == "gazebo"
        gyro = np.array([rpy[0], -rpy[1], rpy[2] if gazebo else -rpy[2]])
        roll, pitch, throttle, yaw, arm = self.channels[:5]
        if arm < 1700:
            return [0.0] * 4
        full = 2 * math.pi
        # rc.c: the yaw stick is negated
        wanted = np.array([roll - 1500, pitch - 1500, -(yaw - 1500)]) / 500 * full
        effort = 0.02 * (wanted - gyro) * (1, 1, self.yaw_gain)
        effort[2] = -effort[2]  # mixer.c: unless yaw_motors_reversed
        out = np.clip((throttle - 1000) / 1000 + MIXER @ effort, 0, 1)
        if self.config.bridge == "classic":
            return [out[1], out[2], out[3], out[0]]
        return list(out)

    def stop(self):
        self.running = False
        self.join(2)
        for one in (self.state, self.sticks, self.out):
            one.close()


@pytest.fixture
def fly():
    """Starts a peer and a bridge to it; stops both."""
    open_things: list[Any] = []

    def start(
        lose=lambda n: False, garble=False, yaw_gain=3.0, **changes
    ) -> tuple[Betaflight, Firmware]:
        motor, state, rc = free_ports()
        values = {"timeout": 1.0, "attempts": 5, **changes}
        config = BetaflightConfig(motor_port=motor, state_port=state, rc_port=rc, **values)
        peer = Firmware(config, lose, garble, yaw_gain)
        peer.start()
        bridge = Betaflight(config)
        open_things.extend([(bridge, peer)])
        return bridge, peer

    yield start
    for bridge, peer in open_things:
        bridge.close()
        peer.stop()


def simulate(bridge: Betaflight, robot: str, rates_wanted, steps: int) -> np.ndarray:
    """Fly the robot's rotation from rest: (steps, 3) body rates [rad/s]."""
    spec = ROBOTS.get(robot)()
    rotorcraft, body = spec.rotorcraft, spec.bodies[0]
    inertia = np.array(body.inertia[:3])
    rates, log = np.zeros(3), []
    channels = rc_channels(0.5, rates_wanted)[0]
    for k in range(steps):
        motors = bridge.step(k * DT, ZERO, LEVEL, ZERO, rates, ZERO, channels)
        rpm = rotor_speeds(motors, rotorcraft)
        thrust = rotorcraft.thrust_coefficient * rpm**2
        torque = np.zeros(3)
        for rotor, force in zip(rotorcraft.rotors, thrust, strict=True):
            x, y, _ = rotor.position
            twist = rotor.spin * force * rotorcraft.torque_coefficient
            torque += (y * force, -x * force, twist / rotorcraft.thrust_coefficient)
        rates = rates + DT * (torque - np.cross(rates, inertia * rates)) / inertia
        log.append(rates)
    return np.array(log)


@pytest.mark.parametrize("robot", ["cf2x", "racer"])
@pytest.mark.parametrize("bridge", ["gazebo", "legacy", "classic"])
def test_the_loop_closes_about_every_axis(fly, robot, bridge):
    wanted = np.array([1.0, -0.7, 0.5])
    # the racer's propellers give little torque for their thrust
    gain = 30.0 if robot == "racer" else 3.0
    log = simulate(fly(bridge=bridge, yaw_gain=gain)[0], robot, wanted, 300)
    assert np.abs(log[-1] - wanted).max() < 0.05
    assert np.abs(log[:20]).max() < 3.0


def test_a_wrong_sign_would_be_seen(fly, monkeypatch):
    """The test above can fail: with the other firmware's yaw sign the loop runs away."""
    bridge, peer = fly(bridge="gazebo")
    wrong = BetaflightConfig(
        **{k: v for k, v in vars(peer.config).items() if k != "bridge"}, bridge="legacy"
    )
    bridge.config = wrong
    log = simulate(bridge, "cf2x", np.array([0.0, 0.0, 0.5]), 300)
    assert abs(log[-1, 2] - 0.5) > 1.0


def test_lost_packets_change_nothing_but_the_time_it_takes(fly):
    wanted = np.array([0.6, 0.4, -0.3])
    whole = simulate(fly()[0], "cf2x", wanted, 60)
    bridge, peer = fly(lose=lambda n: n % 7 in (2, 3), timeout=0.05)
    lossy = simulate(bridge, "cf2x", wanted, 60)
    assert np.array_equal(whole, lossy)
    assert bridge.resent >= 15 and peer.received == 60 + bridge.resent
    assert sorted(set(peer.times)) == [k * DT for k in range(60)]  # each step was answered


def test_the_same_simulation_gives_the_same_log(fly):
    logs = [simulate(fly()[0], "cf2x", np.array([0.3, 0.2, 0.1]), 100) for _ in range(2)]
    assert np.array_equal(logs[0], logs[1])


def hover(bridge: Betaflight, seconds: float) -> tuple[np.ndarray, float]:
    """The loop of the module's docstring: whole physics with the firmware in it, (T, 20) states."""
    spec = ROBOTS.get("cf2x")()
    placed = (RobotPlacement(spec, (0.0, 0.0, 0.7)),)
    world = BACKENDS.get("rotorcraft")(Scene("sitl", robots=placed, timestep=DT), 1)
    flight, log = world.flight, FlightLog.of_world(world, DT, model="cf2x")
    before = np.zeros(3)
    for k in range(round(seconds / DT)):
        position, velocity = flight.position[0, 0], flight.velocity[0, 0]
        throttle = 0.444 + 0.25 * (1.0 - position[2]) - 0.2 * velocity[2]
        motors = bridge.step(
            k * DT, position, flight.quat[0, 0], velocity, flight.omega_body[0, 0],
            (velocity - before) / DT, rc_channels(throttle, ZERO)[0],
        )  # fmt: skip
        before = velocity.copy()
        rpm = rotor_speeds(motors, spec.rotorcraft)
        world.step(rpm[None], 1)
        log.record(world, rpm)
    return log.state[:, 0], float(flight.position[0, 0, 2])


@pytest.mark.timeout(300)
def test_ten_seconds_of_flight_give_the_same_log_twice(fly):
    (first, height), (second, _) = (hover(fly()[0], 10.0) for _ in range(2))
    assert first.shape == (5000, 20) and np.array_equal(first, second)
    assert height == pytest.approx(1.0, abs=0.02)


def test_other_packets_are_ignored(fly):
    bridge, _ = fly(garble=True)
    simulate(bridge, "cf2x", np.zeros(3), 10)
    assert bridge.ignored == 10 and bridge.resent == 0


def test_disarmed_motors_stand_still(fly):
    bridge, _ = fly()
    channels = rc_channels(0.8, ZERO, armed=False)[0]
    assert bridge.step(0.0, ZERO, LEVEL, ZERO, ZERO, ZERO, channels).tolist() == [0, 0, 0, 0]


def test_a_peer_that_never_answers_is_named(fly):
    bridge, _ = fly(lose=lambda n: True, timeout=0.01, attempts=3)
    with pytest.raises(AutopilotError, match=r"no answer .* 3 packets .*betaflight_SITL.elf"):
        bridge.step(0.0, ZERO, LEVEL, ZERO, ZERO, ZERO, rc_channels(0, ZERO)[0])
    assert bridge.resent == 2


def test_nobody_there_at_all():
    motor, state, rc = free_ports()
    config = BetaflightConfig(
        motor_port=motor, state_port=state, rc_port=rc, timeout=0.01, attempts=2
    )
    with Betaflight(config) as bridge, pytest.raises(AutopilotError, match=f"127.0.0.1:{state}"):
        bridge.step(0.0, ZERO, LEVEL, ZERO, ZERO, ZERO, rc_channels(0, ZERO)[0])


def test_a_late_answer_is_not_taken_for_the_next_step(fly):
    bridge, _ = fly()
    channels = rc_channels(0.5, ZERO)[0]
    bridge.step(0.0, ZERO, LEVEL, ZERO, ZERO, ZERO, channels)
    stray = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stray.sendto(SERVO.pack(9, 9, 9, 9), ("127.0.0.1", bridge.config.motor_port))
    stray.close()
    motors = bridge.step(DT, ZERO, LEVEL, ZERO, ZERO, ZERO, channels)
    assert motors.tolist() == [0.5] * 4 and bridge.ignored == 1


def test_a_taken_port_is_named(fly):
    bridge, _ = fly()
    with pytest.raises(ConfigError, match=str(bridge.config.motor_port)):
        Betaflight(bridge.config)


def test_time_runs_forward(fly):
    bridge, _ = fly()
    channels = rc_channels(0.5, ZERO)[0]
    bridge.step(1.0, ZERO, LEVEL, ZERO, ZERO, ZERO, channels)
    with pytest.raises(ConfigError, match=r"time 0\.5 s is before 1\.0 s"):
        bridge.step(0.5, ZERO, LEVEL, ZERO, ZERO, ZERO, channels)


# -- packets -------------------------------------------------------------------------------------


def test_sizes_are_those_of_the_c_structs():
    # natural alignment on x86-64: 18 doubles; double + 16 uint16; 4 floats
    assert (FDM.size, RC.size, SERVO.size) == (144, 40, 16)
    assert FDM.size == struct.calcsize("@18d") and RC.size == struct.calcsize("@d16H")


def quat(axis, degrees):
    half = math.radians(degrees) / 2
    return np.array([math.cos(half), *(math.sin(half) * np.asarray(axis, float))])


def fields(packet):
    v = np.array(FDM.unpack(packet))
    return {"rates": v[1:4], "acc": v[4:7], "quat": v[7:11], "vel": v[11:14], "pos": v[14:17]}


def test_accelerometer():
    rest = fields(fdm_packet(0, ZERO, LEVEL, ZERO, ZERO, ZERO))
    assert np.allclose(rest["acc"], (0, 0, -9.80665))  # sitl.c negates it: +1 g on z
    fall = fields(fdm_packet(0, ZERO, LEVEL, ZERO, ZERO, (0, 0, -9.80665)))
    assert np.allclose(fall["acc"], 0)
    # on its right side (roll 90 deg) up is where the left wing (y) points
    rolled = fields(fdm_packet(0, ZERO, quat((1, 0, 0), 90), ZERO, ZERO, ZERO))
    assert np.allclose(rolled["acc"], (0, -9.80665, 0))


def rotate(q, v):
    w, xyz = q[0], np.asarray(q[1:])
    return v + 2 * np.cross(xyz, np.cross(xyz, v) + w * np.asarray(v))


@pytest.mark.parametrize("bridge", ["gazebo", "legacy"])
def test_the_firmware_gets_the_true_attitude(bridge):
    """sitl.c's own reconstruction, then: where does the nose point, in north-west-up?"""
    for axis, degrees in [((0, 0, 1), 0), ((0, 0, 1), 90), ((0, 1, 0), 30), ((1, 2, 3), 50)]:
        q = quat(np.asarray(axis) / np.linalg.norm(axis), degrees)
        w, x, y, z = fields(fdm_packet(0, ZERO, q, ZERO, ZERO, ZERO, bridge=bridge))["quat"]
        if bridge == "gazebo":
            y, z, k = -y, -z, math.sqrt(0.5)
            w, x, y, z = k * (w - z), k * (x - y), k * (y + x), k * (z + w)
        for vector in np.eye(3):
            east, north, up = rotate(q, vector)
            assert np.allclose(rotate((w, x, y, z), vector), (north, -east, up))


def test_gps():
    origin = (8.5, 47.0, 400.0)
    there = (1000.0, 2000.0, 50.0)
    plain = fields(
        fdm_packet(0, there, LEVEL, (1, 2, 3), ZERO, ZERO, bridge="legacy", origin=origin)
    )
    assert np.allclose(plain["vel"], (1, 2, 3)) and plain["pos"][2] == 450
    assert (plain["pos"][1] - 47.0) * 111_319.49 == pytest.approx(2000)
    east = (plain["pos"][0] - 8.5) * 111_319.49 * math.cos(math.radians(47))
    assert east == pytest.approx(1000)
    first = fields(fdm_packet(0, ZERO, LEVEL, ZERO, ZERO, ZERO, origin=origin))["pos"]
    mirrored = fields(fdm_packet(0, there, LEVEL, ZERO, ZERO, ZERO, origin=origin))["pos"]
    # sitl.c: corrected = 2 * origin - packet
    assert np.allclose((2 * first - mirrored)[:2], plain["pos"][:2])


def test_sticks():
    channels = rc_channels([0.0, 1.0], [ZERO, (2 * math.pi, -math.pi, math.pi)])
    assert channels.shape == (2, 16)
    assert channels[0, :5].tolist() == [1500, 1500, 1000, 1500, 2000]
    assert channels[1, :5].tolist() == [2000, 1250, 2000, 1250, 2000]
    assert rc_channels(2.0, (99, 0, 0))[0, [0, 2]].tolist() == [2000, 2000]
    time, *sent = RC.unpack(rc_packet(1.5, channels[1]))
    assert time == 1.5 and sent[:4] == [2000, 1250, 2000, 1250]
    for bad in (np.full(15, 1500), np.full(16, 900.0), np.full(16, np.nan)):
        with pytest.raises(ActionError, match="channels"):
            rc_packet(0, bad)


def test_states_that_are_no_numbers_are_refused():
    with pytest.raises(ActionError, match="not finite"):
        fdm_packet(0, (math.nan, 0, 0), LEVEL, ZERO, ZERO, ZERO)


def test_motor_order():
    assert rotor_order(ROBOTS.get("cf2x")().rotorcraft) == (1, 0, 2, 3)
    assert rotor_order(ROBOTS.get("racer")().rotorcraft) == (3, 2, 0, 1)
    assert motors_of(SERVO.pack(2, 3, 4, 1), "classic").tolist() == [1, 2, 3, 4]
    with pytest.raises(ConfigError, match="X frame"):
        rotor_order(ROBOTS.get("cf2p")().rotorcraft)


def test_motor_curves():
    rotorcraft = ROBOTS.get("cf2x")().rotorcraft
    motors = np.array([[0.0, 0.25, 1.0, 2.0]])  # M1..M4; cf2x reads M2 M1 M3 M4
    top = rotorcraft.max_rpm
    assert rotor_speeds(motors, rotorcraft, "speed") == pytest.approx(
        np.array([[0.25 * top, 0, top, top]])
    )
    assert rotor_speeds(motors, rotorcraft) == pytest.approx(np.array([[0.5 * top, 0, top, top]]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bridge": "airsim"}, "airsim.*gazebo"),
        ({"timeout": 0.0}, "timeout"),
        ({"instance": 6000}, "motor_port 69002"),
    ],
)
def test_bad_config_is_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        BetaflightConfig(**changes)
