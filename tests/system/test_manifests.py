"""What is kept in manifests/ is what the charts render to."""

import filecmp
import sys

RENDERED = ("base/isogloss", "base/crds", "jobs", "components/monitoring")
BY_HAND = {"base/isogloss/namespace.yaml", "components/monitoring/kustomization.yaml"}


def test_bases_jobs_and_components_are_what_the_charts_render_to(run, helm, root, tmp_path):
    script = root / "scripts/render_manifests.py"
    run(sys.executable, script, "--helm", helm, "--into", tmp_path)

    kept, anew = files(root / "manifests"), files(tmp_path)
    assert kept - BY_HAND == anew
    stale = [
        name
        for name in sorted(anew)
        if not filecmp.cmp(root / "manifests" / name, tmp_path / name, shallow=False)
    ]
    assert not stale, "make render"


def files(folder):
    paths = [path for part in RENDERED for path in (folder / part).glob("*.yaml")]
    return {str(path.relative_to(folder)) for path in paths}
