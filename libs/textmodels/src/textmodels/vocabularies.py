"""A vocabulary as a file: the terms in the order of their columns, as a JSON array.

ASCII with escapes, because a term of characters may be half of a surrogate pair.
"""

import json
from collections.abc import Mapping

from textmodels.manifests import ArtifactError

VOCABULARY_NAME = "vocabulary.json"


def pack_vocabulary(columns: Mapping[str, int]) -> bytes:
    """Return the file of a vocabulary {term: column} whose columns are 0 .. n-1."""
    return json.dumps(sorted(columns, key=columns.__getitem__)).encode()


def unpack_vocabulary(raw: bytes) -> dict[str, int]:
    """Return {term: column}; ArtifactError when the file is not a list of different terms."""
    try:
        terms = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{VOCABULARY_NAME}: not JSON ({error})") from error
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
        raise ArtifactError(f"{VOCABULARY_NAME}: must be a JSON array of texts")
    columns = {term: column for column, term in enumerate(terms)}
    if len(columns) != len(terms):
        raise ArtifactError(f"{VOCABULARY_NAME}: holds a term twice")
    return columns
