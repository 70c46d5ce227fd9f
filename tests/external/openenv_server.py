"""OpenEnv's own client drives household episodes on OpenEnv's own server, two sessions at once.

    python tests/external/openenv_server.py

The server is `vla.programmer.adapters.openenv` behind uvicorn, the client is openenv's
`GenericEnvClient` over its web socket. One session writes a program that fails and mends it, the
other plays the oracle's program of a test instance meanwhile; pictures come as data URLs.
"""

# pyright: reportMissingImports=false

import socket
import threading
import time
from typing import Any

import uvicorn
from openenv.core.generic_client import GenericEnvClient

from octoworld.recipes.household_rows import household_rows, household_scene
from tasks.household import Household, household_split, solve
from vla.programmer.adapters.openenv import openenv_app

SPLIT, INDEX = "layouts", 3
SINK = {"task": "turn_on:sink", "layout": 2, "packing": "sheet"}
FORGETS, MENDED = "turn_on('sink_1')\ndone()\n", "go_to('sink_1')\nturn_on('sink_1')\ndone()\n"


def serve() -> tuple[uvicorn.Server, str]:
    """A server on a free port, and its address once it answers."""
    rows: Any = {SPLIT: household_rows(SPLIT, 8)}
    app = openenv_app(household_scene, rows)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server, f"http://127.0.0.1:{port}"


def main() -> None:
    """Play both episodes and print what came over the wire."""
    server, address = serve()
    with (
        GenericEnvClient(base_url=address).sync() as first,
        GenericEnvClient(base_url=address).sync() as second,
    ):
        seen = first.reset(**SINK)
        task = second.reset(split=SPLIT, index=INDEX)
        pictures = seen.observation["images"]
        print(f"first: {len(seen.observation['text'])} characters, pictures {list(pictures)}")
        assert all(url.startswith("data:image/png;base64,") for url in pictures.values())
        failed = first.step({"program": FORGETS})
        print(f"first, program 1: reward {failed.reward}\n{failed.observation['text'][:300]}")
        assert not failed.done and failed.reward == 0

        program = solve(Household(household_split(SPLIT).instance(INDEX))).program
        played = second.step({"program": program})
        print(
            f"second: {task.observation['text'].splitlines()[0]}\n{program}reward {played.reward}"
        )
        assert played.done and played.reward == 1.0

        mended = first.step({"program": MENDED})
        print(f"first, program 2: reward {mended.reward}, state {first.state()}")
        assert mended.done and mended.reward == 1.0 and first.state()["turns"] == 2
    server.should_exit = True


if __name__ == "__main__":
    main()
