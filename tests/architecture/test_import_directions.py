"""Who may import whom. The table is the design's; a new arrow is a decision record."""

import ast

import pytest

LIBRARIES = {"lifecycle", "stats", "textmodels", "servicekit"}
DEPLOYABLES = {
    "inference",
    "registry_proxy",
    "drift_monitor",
    "rollout_controller",
    "training_jobs",
    "isogloss",
}
OWN_LIBRARIES = {
    "lifecycle": set(),
    "stats": set(),
    "textmodels": {"lifecycle"},
    "servicekit": set(),
    "inference": {"lifecycle", "textmodels", "servicekit"},
    "registry_proxy": {"lifecycle", "stats", "servicekit"},
    "drift_monitor": {"lifecycle", "stats", "servicekit"},
    "rollout_controller": {"lifecycle", "stats", "servicekit"},
    "training_jobs": LIBRARIES,
    "isogloss": {"lifecycle", "servicekit"},
}
THIRD_PARTY = {
    "lifecycle": set(),
    "stats": {"numpy"},
    "textmodels": {
        "keras",
        "numpy",
        "onnx",
        "onnxruntime",
        "safetensors",
        "scipy",
        "sklearn",
        "skops",
        "tokenizers",
    },
    "servicekit": {
        "aiohttp",
        "cryptography",
        "fastapi",
        "httpx",
        "joserfc",
        "kubernetes",
        "prometheus_client",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "sqlalchemy",
        "starlette",
        "structlog",
        "uvicorn",
        "uvloop",
    },
    "inference": {
        "fastapi",
        "google",
        "grpc",
        "httptools",
        "httpx",
        "msgpack",
        "msgspec",
        "numpy",
        "prometheus_client",
        "pydantic",
        "uvicorn",
    },
    "registry_proxy": {
        "alembic",
        "fastapi",
        "httpx",
        "numpy",
        "obstore",
        "prometheus_client",
        "pydantic",
        "sqlalchemy",
        "starlette",
        "yaml",
    },
    "drift_monitor": {
        "fastapi",
        "httpx",
        "msgpack",
        "msgspec",
        "numpy",
        "prometheus_client",
        "pydantic",
        "safetensors",
        "sqlalchemy",
    },
    "rollout_controller": {
        "envoy",
        "fastapi",
        "httpx",
        "prometheus_client",
        "psutil",
        "pydantic",
        "yaml",
    },
    "training_jobs": {
        "httpx",
        "matplotlib",
        "mlflow",
        "numpy",
        "pandas",
        "pydantic",
        "scipy",
        "sklearn",
        "yaml",
    },
    "isogloss": {
        "envoy",
        "httptools",
        "httpx",
        "psutil",
        "pyarrow",
        "rich",
        "typer",
        "uvloop",
        "yaml",
    },
}
VENDORS = {"alembic", "mlflow", "envoy", "kubernetes", "obstore", "sqlalchemy", "psutil"}
"""Behind one adapter file each; in the jobs and the command the file named here."""
VENDOR_FILES_ELSEWHERE = {
    "servicekit": {"databases", "kubernetes_api"},
    "training_jobs": {"adapters", "tracking"},
    "isogloss": {"platform", "processes"},
}


def own(module):
    return module.top_level_imports() & (LIBRARIES | DEPLOYABLES) - {module.package}


def test_every_package_has_its_row_in_the_table(modules):
    assert {module.package for module in modules} == set(OWN_LIBRARIES) == set(THIRD_PARTY)


def test_deployables_never_import_each_other_and_libraries_only_what_the_table_says(modules):
    strays = [
        f"{module.file} imports {name}"
        for module in modules
        for name in own(module) - OWN_LIBRARIES[module.package]
    ]
    assert not strays


def test_third_party_packages_are_imported_only_where_the_table_says(modules):
    strays = [
        f"{module.file} imports {name}"
        for module in modules
        for name in module.top_level_imports()
        - LIBRARIES
        - DEPLOYABLES
        - THIRD_PARTY[module.package]
    ]
    assert not strays


def test_vendors_are_known_to_adapters_only(modules):
    strays = [
        f"{module.file} imports {sorted(module.top_level_imports() & VENDORS)}"
        for module in modules
        if module.top_level_imports() & VENDORS
        and not {"adapters"} & set(module.parts)
        and not VENDOR_FILES_ELSEWHERE.get(module.package, set()) & set(module.parts)
    ]
    assert not strays


@pytest.mark.parametrize(("inner", "outer"), [("ports", "adapters"), ("ports", "routes")])
def test_ports_know_neither_routes_nor_adapters(modules, inner, outer):
    strays = [
        f"{module.file} imports {name}"
        for module in modules
        if module.parts[-1] == inner
        for name in module.imports()
        if outer in name.split(".")
    ]
    assert not strays


def test_only_the_composition_root_joins_adapters_to_the_rest(modules):
    strays = [
        f"{module.file} imports {name}"
        for module in modules
        if module.package in DEPLOYABLES - {"training_jobs", "isogloss"}
        and not {"app", "__main__", "adapters"} & set(module.parts)
        for name in module.imports()
        if name.startswith(module.package) and "adapters" in name.split(".")
    ]
    assert not strays


def test_no_two_modules_import_each_other(modules):
    names = {module.name for module in modules}
    arrows = {
        (module.name, target)
        for module in modules
        for target in module.imports()
        if target in names and target != module.name
    }
    both_ways = sorted(f"{a} and {b}" for a, b in arrows if a < b and (b, a) in arrows)
    assert not both_ways


def test_the_world_is_read_in_settings_app_and_adapters_only(modules):
    """Clock, randomness and environment are passed in, so that decisions can be replayed."""
    places = {"settings", "app", "adapters", "__main__"}
    exempt = {"keras_embedding"}  # TensorFlow takes its log level from the environment only
    readers = {("os", "environ"), ("time", "time"), ("datetime", "now"), ("datetime", "utcnow")}
    strays = [
        f"{module.file}: {node.value.id}.{node.attr}"
        for module in modules
        if module.package not in {"training_jobs", "isogloss", "servicekit"}
        and not (places | exempt) & set(module.parts)
        for node in module_attributes(module)
        if (node.value.id, node.attr) in readers
    ]
    assert not strays


def module_attributes(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node
