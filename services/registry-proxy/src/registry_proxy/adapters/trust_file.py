"""The trust file: whose signature counts, read again when the file changes."""

import json
from pathlib import Path

from lifecycle.documents import DocumentRefused
from registry_proxy.ledger.trust import Trust, TrustedKey, trusted_keys
from servicekit.callers import FileRefused, WatchedFile
from servicekit.signing import Signer


class TrustFile:
    """The keys of `{"keys": [{"role", "public"}]}` and the own one, which need not stand there.

    Raises FileRefused when built. A file that becomes unusable later changes nothing.
    """

    def __init__(self, path: Path, own: Signer) -> None:
        self._own = own
        self._file = WatchedFile(path, self._read)

    def current(self) -> Trust:
        """Return the keys that count now."""
        return self._file.current()

    def _read(self, path: Path) -> Trust:
        try:
            keys = trusted_keys(json.loads(path.read_bytes()))
            others = [key for key in keys if key.public != self._own.public_text]
            return Trust([*others, TrustedKey("registry-proxy", self._own.public_text)])
        except (OSError, ValueError, RecursionError, DocumentRefused) as error:
            form = '{"keys": [{"role", "public"}]}'
            raise FileRefused(f"{path} is not of the form {form}: {error}.") from error
