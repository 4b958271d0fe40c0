"""What a person sees while a job works: lines on stderr; stdout is kept for the result."""

import sys
from collections.abc import Callable

Tell = Callable[[str], None]


def tell(line: str) -> None:
    """Write one line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
