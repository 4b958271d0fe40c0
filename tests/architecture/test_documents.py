"""Nothing is described twice by hand: what documents name must exist in the tree."""

import importlib
import re

import pytest

from servicekit.settings import ServiceSettings, env_names

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
def test_every_setting_is_documented_in_the_services_readme(root, service):
    package = service.replace("-", "_")
    readme = (root / "services" / service / "README.md").read_text(encoding="utf-8")
    names = setting_names(importlib.import_module(f"{package}.settings"))

    assert names
    assert not [name for name in names if f"`{name}`" not in readme]
    documented = set(re.findall(rf"`(ISOGLOSS_{package.upper()}_[A-Z_]+)`", readme))
    assert not documented - names


def setting_names(module):
    """The variables of all settings that a module defines, inherited ones too."""
    return {
        name
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__
        if issubclass(cls, ServiceSettings)
        for name in env_names(cls).values()
    }


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
