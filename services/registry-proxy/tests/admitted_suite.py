"""What every AdmittedVersions promises. `read()` says what the cluster has now."""

import pytest

from registry_proxy.ledger.ports import AdmittedUnavailable

FIRST = {"sentiment." + "a" * 64: "STAGING", "sentiment." + "b" * 64: "PRODUCTION"}


class AdmittedSuite:
    def put(self, scene, wanted):
        return scene.run(scene.admitted.put(wanted))

    def test_what_is_put_is_there(self, scene):
        assert self.put(scene, FIRST)

        assert scene.read() == FIRST

    def test_putting_it_again_changes_nothing(self, scene):
        self.put(scene, FIRST)

        assert not self.put(scene, FIRST)

    def test_what_is_no_longer_wanted_goes(self, scene):
        self.put(scene, FIRST)
        later = {"sentiment." + "a" * 64: "SHADOW", "toxicity." + "c" * 64: "STAGING"}
        self.put(scene, later)
        assert scene.read() == later

        self.put(scene, {})
        assert scene.read() == {}

    def test_what_somebody_else_wrote_is_put_right(self, scene):
        self.put(scene, FIRST)
        scene.tamper("sentiment." + "f" * 64, "PRODUCTION")

        assert self.put(scene, FIRST)
        assert scene.read() == FIRST

    def test_where_there_is_nothing_to_write_to_that_is_said(self, scene):
        scene.remove()

        with pytest.raises(AdmittedUnavailable):
            self.put(scene, FIRST)
