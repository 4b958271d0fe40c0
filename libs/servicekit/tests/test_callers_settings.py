import pytest

from servicekit.callers import TokenFile
from servicekit.callers_settings import CallersSettings, open_callers
from servicekit.kubernetes_callers import KubernetesCallers
from servicekit.oidc_callers import EitherCallers, OidcCallers
from servicekit.settings import load_settings


class GreeterSettings(CallersSettings, env_prefix="ISOGLOSS_GREETER_"):
    pass


@pytest.fixture
def settings(monkeypatch):
    def load(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"ISOGLOSS_GREETER_{name}", value)
        return load_settings(GreeterSettings)

    return load


def test_on_one_machine_the_callers_are_those_of_the_file(settings, tmp_path):
    path = tmp_path / "callers.json"
    path.write_text('{"callers": []}')
    path.chmod(0o600)

    assert isinstance(open_callers(settings(CALLERS_FILE=str(path)), None), TokenFile)


def test_in_a_cluster_the_callers_are_its_accounts(settings, api):
    loaded = settings(CALLERS="kubernetes", NAMESPACE="models")

    assert isinstance(open_callers(loaded, api), KubernetesCallers)


@pytest.mark.parametrize(
    ("callers", "named"),
    [("file", "CALLERS_FILE"), ("kubernetes", "NAMESPACE"), ("issuer", "CALLERS_ISSUER")],
)
def test_what_the_kind_of_callers_needs_is_asked_for(settings, capsys, callers, named):
    with pytest.raises(SystemExit):
        settings(CALLERS=callers)

    said = capsys.readouterr().err
    assert f"ISOGLOSS_GREETER_{named} is not set, but needed with " in said
    assert f"ISOGLOSS_GREETER_CALLERS={callers}" in said


def test_an_issuers_callers_may_be_the_only_ones_or_beside_others(settings, tmp_path):
    path = tmp_path / "callers.json"
    path.write_text('{"callers": []}')
    path.chmod(0o600)
    issuer = {"CALLERS_ISSUER": "https://issuer.example"}

    only = open_callers(settings(CALLERS="issuer", **issuer), None)
    both = open_callers(settings(CALLERS="file", CALLERS_FILE=str(path), **issuer), None)

    assert isinstance(only, OidcCallers)
    assert isinstance(both, EitherCallers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLERS_ISSUER", "http://issuer.example"),
        ("CALLERS_ISSUER", "issuer"),
        ("CALLERS_ISSUER_ROLES", '{"leads": ["operator"]}'),
        ("CALLERS_ISSUER_ROLES", '{"groups=leads": ["king"]}'),
        ("CALLERS_ISSUER_ROLES", "leads"),
        ("CALLERS_ISSUER_ALGORITHMS", "HS256"),
        ("CALLERS_ISSUER_ALGORITHMS", "none"),
        ("CALLERS_ISSUER_ALGORITHMS", ""),
    ],
)
def test_what_would_let_anybody_in_stops_the_start(settings, capsys, name, value):
    with pytest.raises(SystemExit):
        settings(CALLERS="issuer", **{"CALLERS_ISSUER": "https://issuer.example", name: value})

    assert f"ISOGLOSS_GREETER_{name} is " in capsys.readouterr().err
