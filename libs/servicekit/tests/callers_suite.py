"""What every kind of callers promises. A `scene` fixture names those who call:

`token_of(role)` is the token of somebody with that role only, `name_of(role)` that caller's name,
`stray_token` one that is not for us, `callers` what is tested and `run` what awaits it.
"""

import pytest


class CallersSuite:
    def find(self, scene, token, *roles):
        return scene.run(scene.callers.find(token, roles))

    def test_a_caller_is_named_and_has_its_role(self, scene):
        caller = self.find(scene, scene.token_of("gate"), "gate")

        assert caller.name == scene.name_of("gate")
        assert "gate" in caller.roles

    def test_one_fitting_role_of_several_is_enough(self, scene):
        caller = self.find(scene, scene.token_of("gate"), "drift-monitor", "gate")

        assert "gate" in caller.roles

    def test_a_known_caller_without_the_role_is_named_without_it(self, scene):
        caller = self.find(scene, scene.token_of("trainer"), "gate", "operator")

        assert caller.name == scene.name_of("trainer")
        assert caller.roles.isdisjoint({"gate", "operator"})

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u00fc"])
    def test_an_unknown_token_is_nobodys(self, scene, token):
        assert self.find(scene, token, "viewer") is None

    def test_a_token_that_is_not_for_us_is_nobodys(self, scene):
        assert self.find(scene, scene.stray_token, "gate") is None

    def test_what_was_answered_once_is_answered_again(self, scene):
        token = scene.token_of("gate")

        assert self.find(scene, token, "gate") == self.find(scene, token, "gate")
