"""The demo's home: it may be emptied at will, so it must be known to be the demo's."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from isogloss.adapters.processes import now
from isogloss.down import stop_platform
from isogloss.failures import Refused
from isogloss.files import write_json
from isogloss.homes import Home

MARKER = "demo.json"
KEPT = frozenset({MARKER, "data", "cache/packages", "cluster"})
"""Prepared data and fetched packages are the same next time and slow to get again; `cluster` is
the test cluster's, which lives in the same directory and is not the demo's."""


def claim_home(home: Home) -> None:
    """Stop what an earlier demo left and empty the home, but for data that stays the same.

    Raises Refused when the home has a ledger that no demo wrote.
    """
    marker = home.root / MARKER
    if not marker.exists() and (home.root / "registry").exists():
        raise Refused(
            f"{home.root} holds a platform that is not the demo's, and the demo begins with an "
            "empty ledger; give it a home of its own: isogloss --home .isogloss-demo demo"
        )
    home.create()
    write_json(marker, {"demo": True, "started_at": now()})
    stop_platform(home)
    for path in _removable(home.root):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    home.create()


def _removable(root: Path) -> Iterator[Path]:
    for path in root.iterdir():
        name = path.name
        if name in KEPT:
            continue
        inner = [kept for kept in KEPT if kept.startswith(f"{name}/")]
        if inner:
            yield from (p for p in path.iterdir() if f"{name}/{p.name}" not in KEPT)
        else:
            yield path
