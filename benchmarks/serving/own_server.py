"""Our own server as it is measured: `python -m inference`, with everything on."""

from collections.abc import Mapping, Sequence

from servers import Dialect, Server

NAME = "Isogloss"
LABELS = ("negative", "positive")

PREDICT = Dialect(
    "/predict",
    lambda texts: {"text": texts[0]},
    lambda answer: [answer["scores"][LABELS[-1]]],
)
V1 = Dialect(
    "/v1/models/sentiment:predict",
    lambda texts: {"instances": list(texts)},
    lambda answer: [float(label == LABELS[-1]) for label in answer["predictions"]],
)


def isogloss(family: str, sink: int | None, name: str = NAME) -> Server:
    """Return a server of our artifact of a family, reporting events to a sink."""
    return Server(
        name,
        NAME,
        ("-m", "inference"),
        PREDICT,
        settings=_settings(family) | _reporting(sink),
        many=V1,
    )


def _settings(family: str) -> Mapping[str, str]:
    given = {
        "MODEL": "sentiment",
        "ARTIFACT": f"{{models}}/{family}",
        "PORT": "{port}",
        "METRICS_PORT": "{other_port}",
        "SHUTDOWN_DELAY_SECONDS": "0",
    }
    return {f"ISOGLOSS_INFERENCE_{name}": value for name, value in given.items()}


def _reporting(sink: int | None) -> dict[str, str]:
    if sink is None:
        return {}
    return {
        "ISOGLOSS_INFERENCE_DRIFT_MONITOR_URL": f"http://127.0.0.1:{sink}",
        "ISOGLOSS_INFERENCE_TOKEN_FILE": "{models}/secret",
        "ISOGLOSS_INFERENCE_FINGERPRINT_KEY_FILE": "{models}/secret",
    }


def uvicorn(app: str, port: str = "{port}") -> Sequence[str]:
    """Return the arguments of uvicorn at its fastest: uvloop, httptools, no access log."""
    fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return ("-m", "uvicorn", app, "--host", "127.0.0.1", "--port", port, *fast)
