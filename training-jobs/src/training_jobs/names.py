"""The written convention for names: see docs/naming.md."""

import re
from datetime import UTC, datetime

_MODEL = re.compile(r"[a-z][a-z0-9-]{0,62}")


def is_model_name(text: str) -> bool:
    """Tell whether `text` may name a model: it becomes a host name and a label of a metric."""
    return _MODEL.fullmatch(text) is not None


def run_name(model: str, family: str, dataset_version: str, commit: str, started: float) -> str:
    """Return `{model}-{family}-{dataset_version}-{commit7}-{UTC time}`; `started` in seconds."""
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{model}-{family}-{dataset_version}-{commit[:7]}-{moment}"
