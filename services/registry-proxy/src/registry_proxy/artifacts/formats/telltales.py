"""What content looks like that is refused anyway: so that the refusal can name it."""

import mmap

_OPENINGS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"ZF", "a joblib file"),
    (b"\x1f\x8b", "gzip, perhaps a joblib file"),
    (b"BZh", "bzip2, perhaps a joblib file"),
    (b"\xfd7zXZ", "xz, perhaps a joblib file"),
    (b"\x5d\x00\x00", "lzma, perhaps a joblib file"),
    (b"\x04\x22\x4d\x18", "lz4, perhaps a joblib file"),
    (b"x\x01", "zlib, perhaps a joblib file"),
    (b"x\x9c", "zlib, perhaps a joblib file"),
    (b"x\xda", "zlib, perhaps a joblib file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
    (b"MZ", "a program"),
    (b"\x93NUMPY", "a NumPy array"),
)
_PICKLES = (
    b"cbuiltins\n",
    b"c__builtin__\n",
    b"cos\n",
    b"cposix\n",
    b"csubprocess\n",
    b"(lp",
    b"(dp",
)
_FIRST_PROTOCOL, _LAST_PROTOCOL = 2, 5


def telltale(content: bytes | mmap.mmap) -> str | None:
    """Return what the first bytes look like, with its article; None for nothing known."""
    opening = bytes(content[:16])
    if not opening:
        return "an empty file"
    if opening[0] == 0x80 and opening[1:2] and _FIRST_PROTOCOL <= opening[1] <= _LAST_PROTOCOL:
        return "a pickle"
    if opening.startswith(_PICKLES):
        return "a pickle"
    return next((name for magic, name in _OPENINGS if opening.startswith(magic)), None)
