"""YAML as lifecycle's documents are written by people; only plain values, no tags."""

import yaml

from lifecycle.documents import DocumentRefused

_MOST_BYTES = 262_144
"""A gate policy of many Gates has some 10,000; the parser needs a second for this many."""


def read_yaml(content: bytes) -> object:
    """Parse one YAML document; raises DocumentRefused with line and column."""
    if len(content) > _MOST_BYTES:
        raise DocumentRefused(f"it has {len(content):,} bytes; {_MOST_BYTES:,} are allowed")
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentRefused(f"not YAML: {' '.join(str(error).split())}") from error
