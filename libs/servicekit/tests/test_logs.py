import json
import subprocess
import sys

PROGRAM = """
import logging, warnings
import structlog
from servicekit.logs import configure_logs

configure_logs("greeter", "info")
structlog.get_logger("ours").info("greeted", name="world")
logging.getLogger("uvicorn.error").info("started on %d", 80, extra={"color_message": "red"})
logging.getLogger("uvicorn.access").info("GET /private")
logging.getLogger("httpx").info("GET /private")
warnings.warn("old", stacklevel=1)
try:
    raise KeyError("x")
except KeyError:
    logging.getLogger("theirs").exception("failed")
"""


def test_every_line_is_json_with_time_service_and_level_and_none_is_an_access_log():
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    lines = [json.loads(line) for line in said.stderr.splitlines()]
    ours, uvicorn, warning, failed = lines
    assert (ours["event"], ours["name"], ours["level"]) == ("greeted", "world", "info")
    assert uvicorn["event"] == "started on 80"
    assert "color_message" not in uvicorn
    assert "old" in warning["event"]
    assert "KeyError" in failed["exception"]
    assert all(line["service"] == "greeter" for line in lines)
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert said.stdout == ""
