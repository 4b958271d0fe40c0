"""The smallest process that behaves as a predictor does towards whoever starts it.

It says what it predicted on its readiness page. A digest of nines is one that cannot be loaded,
of eights one that ignores SIGTERM. Who gets /crash ends it.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PREDICTIONS = []


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os._exit(3)
        self._answer({"status": "ready", "predictions": len(PREDICTIONS)})

    def do_POST(self):
        length = int(self.headers["content-length"])
        PREDICTIONS.append(json.loads(self.rfile.read(length)))
        self._answer({"predictions": ["positive"]})

    def _answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    artifact = os.environ["ISOGLOSS_INFERENCE_ARTIFACT"]
    if artifact.endswith("9" * 64):
        sys.exit("the artifact cannot be loaded")
    if artifact.endswith("8" * 64):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ports = [int(os.environ[f"ISOGLOSS_INFERENCE_{name}"]) for name in ("PORT", "METRICS_PORT")]
    # Both or none: whose port is taken ends, as the real one does.
    host = os.environ["ISOGLOSS_INFERENCE_HOST"]
    for server in [ThreadingHTTPServer((host, port), Page) for port in ports]:
        Thread(target=server.serve_forever).start()


main()
