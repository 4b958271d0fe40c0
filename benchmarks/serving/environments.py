"""The peers' own Python environments, and what versions they hold."""

import json
import re
import sys
from functools import cache
from pathlib import Path

from bars import run_line
from peer_environments import python_for

PEERS = Path(__file__).resolve().parent / "peers"
OWN = "isogloss"
"""The environment this script runs in."""

_TOLD = re.compile(
    "bentoml|ctranslate2|fastapi|infinity-emb|keras|kserve|litserve|mlserver|numpy|onnxruntime"
    "|optimum|scikit-learn|tensorflow-cpu|tokenizers|torch|transformers|uvicorn|uvloop"
)
_LIST = (
    "import json; from importlib.metadata import distributions; "
    "print(json.dumps({each.name.lower(): each.version for each in distributions()}))"
)


def python_of(environment: str) -> Path:
    """Return the interpreter of an environment, which is installed when it is not there yet."""
    if environment == OWN:
        return Path(sys.executable)
    return python_for(PEERS / f"{environment}.txt")


@cache
def versions_of(environment: str) -> dict[str, str]:
    """Return the versions in an environment that decide what it can do."""
    found = json.loads(run_line(str(python_of(environment)), "-c", _LIST))
    return {name: found[name] for name in sorted(found) if _TOLD.fullmatch(name)}
