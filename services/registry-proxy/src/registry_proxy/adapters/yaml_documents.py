"""YAML as lifecycle's documents are written by people; only plain values, no tags."""

import yaml

from lifecycle.documents import DocumentRefused


def read_yaml(content: bytes) -> object:
    """Parse one YAML document; raises DocumentRefused with line and column."""
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentRefused(f"not YAML: {' '.join(str(error).split())}") from error
