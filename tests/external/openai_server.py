"""An OpenAI-compatible server drives an episode of a household scene.

    python tests/external/openai_server.py [BASE_URL MODEL]

Without arguments the server is a small one on this machine that gives two recorded answers, the
first of which fails; with them it is any other (vLLM, Ollama, LM Studio, OpenAI).
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from octoworld.recipes.household_rows import household_scene
from vla.programmer import ChatAgent, Endpoint, EndpointConfig, Limits, make_runner, run_episode

TASK, LAYOUT = "turn_on:sink", 2
ANSWERS = (
    "Plan: switch the sink on.\n```python\nturn_on('sink_1')\ndone()\n```",
    "Plan: I must go there first.\n```python\ngo_to('sink_1')\nturn_on('sink_1')\ndone()\n```",
)


class Recorded(BaseHTTPRequestHandler):
    """`POST /v1/chat/completions`: the answers in turn."""

    given = 0

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(f"server: {len(request['messages'])} messages for {request['model']}")
        text = ANSWERS[min(Recorded.given, len(ANSWERS) - 1)]
        Recorded.given += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": text},
                  "finish_reason": "stop"}  # fmt: skip
        body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Play the episode and print what was said and done."""
    server = None
    if len(sys.argv) > 2:
        base_url, model = sys.argv[1:3]
    else:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base_url, model = f"http://127.0.0.1:{server.server_address[1]}/v1", "recorded"
    agent = ChatAgent(Endpoint(EndpointConfig(model, base_url)), "retry")
    scene = household_scene(task=TASK, layout=LAYOUT)
    record = run_episode(scene, agent, make_runner("grammar", Limits()))
    print(f"task: {record.instruction}")
    for turn in record.turns:
        print(f"--- program {turn.number + 1}: {turn.answer.plan}\n{turn.answer.program}")
        print(turn.feedback)
    print(f"ended: {record.ended}, success: {record.success}")
    if server is not None:
        server.shutdown()
        assert record.success and len(record.turns) == 2


if __name__ == "__main__":
    main()
