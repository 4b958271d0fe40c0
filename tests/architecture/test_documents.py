"""Nothing is described twice by hand: what documents name must exist in the tree."""

import ast
import re

import pytest

PATH = re.compile(r"`((?:[\w.{},-]+/)+[\w.{},-]*)`")


def named_paths(text):
    return [m for m in PATH.findall(text) if not re.search(r"[{}]", m)]


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"])
def test_every_path_that_a_document_names_exists(root, document):
    text = (root / document).read_text(encoding="utf-8")
    local = [
        p for p in named_paths(text) if not p.startswith((".isogloss", ".venv", "/", "v1/", "v2/"))
    ]

    assert local
    assert not [path for path in local if not (root / path).exists()]


SERVICES = ["inference", "registry-proxy", "drift-monitor", "rollout-controller"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_documented_in_the_services_readme(root, modules, service):
    package = service.replace("-", "_")
    (settings,) = [m for m in modules if m.name == f"{package}.settings"]
    readme = (root / "services" / service / "README.md").read_text(encoding="utf-8")
    prefix = f"ISOGLOSS_{package.upper()}_"
    fields = settings_fields(settings)

    assert fields
    assert not [f for f in fields if f"`{prefix}{f.upper()}`" not in readme]
    documented = set(re.findall(rf"`{prefix}([A-Z_]+)`", readme))
    assert not documented - {f.upper() for f in fields}


def settings_fields(module):
    return [
        item.target.id
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
        for item in node.body
        if isinstance(item, ast.AnnAssign) and item.target.id != "model_config"
    ]


ROUTE = re.compile(r'@\w+\.(get|post|put|delete)\(\s*"([^"]+)"')


def documented_routes(root):
    text = (root / "docs" / "http-api.md").read_text(encoding="utf-8")
    return re.sub(r"\{[^}]*\}", "{}", text)


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_is_in_the_http_document(root, modules, service):
    package = service.replace("-", "_")
    documented = documented_routes(root)
    routes = [
        re.sub(r"\{[^}]*\}", "{}", path)
        for module in modules
        if module.package == package
        for _, path in ROUTE.findall(module.path.read_text(encoding="utf-8"))
    ]

    assert routes
    tails = [path for path in routes if path not in documented]
    assert not [path for path in tails if "/" + path.rsplit("/", 1)[-1] not in documented]
