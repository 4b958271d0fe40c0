"""Bytes on their way in: counted, and refused once they are more than was allowed."""

from collections.abc import Iterable, Iterator

from registry_proxy.artifacts.manifests import ArtifactRefused


class Counted:
    """Passes chunks on; `size` is how many bytes there were so far."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self.size = 0
        self._chunks = chunks
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            refuse_size(self.size, self._limit)
            yield chunk


def refuse_size(size: int, limit: int) -> None:
    """Raise ArtifactRefused for more bytes than an artifact may have."""
    if size > limit:
        raise ArtifactRefused(f"the artifact has {size:,} bytes or more; {limit:,} are allowed")
