"""The sides meet in app.py and the adapters only; each may become a service of its own."""

import ast
from itertools import permutations
from pathlib import Path

import pytest

import registry_proxy

ROOT = Path(registry_proxy.__file__).parent


SIDES = ("ledger", "artifacts", "events", "door")


@pytest.mark.parametrize(("side", "other"), list(permutations(SIDES, 2)))
def test_neither_side_knows_the_other_or_an_adapter(side, other):
    forbidden = (f"registry_proxy.{other}", "registry_proxy.adapters", "registry_proxy.app")
    strays = [
        f"{path.name} imports {node.module}"
        for path in (ROOT / side).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(forbidden)
    ]

    assert not strays
