"""Serving one artifact directory without any platform: for a look, or for a benchmark."""

from pathlib import Path

from isogloss.adapters.processes import Processes, pause
from isogloss.adapters.sockets import is_free, port_owner
from isogloss.evaluate import predictor_launch
from isogloss.failures import Refused
from isogloss.homes import Home
from isogloss.output import say
from isogloss.up import await_page

_HOST = "127.0.0.1"
_READY_LIMIT_SECONDS = 120.0
_LOOK_EVERY_SECONDS = 0.5


def serve_artifact(home: Home, artifact: Path, model: str, port: int) -> int:
    """Run a predictor until Ctrl-C or until it ends by itself; return its exit code."""
    if not is_free(_HOST, port):
        raise Refused(f"port {port} is used by {port_owner(port)}; choose another with --port")
    home.create()
    settings = {"MODEL": model, "ARTIFACT": str(artifact.resolve()), "PORT": str(port)}
    launch, _ = predictor_launch(f"served-{port}", _HOST, settings)
    running = Processes(home)
    try:
        record = running.start(launch.name, launch.command, launch.environment)
        await_page(launch, running, _READY_LIMIT_SECONDS)
        say(f"{model} is served at http://{_HOST}:{port}/predict; Ctrl-C stops it")
        while (code := running.exit_status(record)) is None:
            pause(_LOOK_EVERY_SECONDS)
    except KeyboardInterrupt:
        say("stopped")
        return 0
    else:
        end = running.last_lines(launch.name)
        say(f"the predictor ended by itself. The end of its log:\n{end}")
        return code
    finally:
        running.stop(launch.name)
