import pytest
from pydantic import Field, SecretStr

from servicekit.settings import CommaList, ServiceSettings, env_names, load_settings


class GreeterSettings(ServiceSettings, env_prefix="ISOGLOSS_GREETER_"):
    port: int = Field(8080, ge=1, le=65535, description="port of the greetings, 1 to 65535")
    name: str = Field(description="whom to greet")
    token: SecretStr = SecretStr("none")
    words: tuple[str, ...] = ()
    slices: CommaList = ()


@pytest.fixture(autouse=True)
def _named(monkeypatch):
    monkeypatch.setenv("ISOGLOSS_GREETER_NAME", "world")


def refusal(capsys):
    with pytest.raises(SystemExit) as stopped:
        load_settings(GreeterSettings)
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch):
    monkeypatch.setenv("ISOGLOSS_GREETER_PORT", "9000")

    settings = load_settings(GreeterSettings)

    assert (settings.port, settings.name) == (9000, "world")
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
    assert env_names(GreeterSettings)["port"] == "ISOGLOSS_GREETER_PORT"


def test_every_wrong_setting_gets_one_sentence_with_name_value_and_what_is_allowed(
    monkeypatch, capsys
):
    monkeypatch.setenv("ISOGLOSS_GREETER_PORT", "99999")
    monkeypatch.delenv("ISOGLOSS_GREETER_NAME")

    assert refusal(capsys) == [
        (
            "ISOGLOSS_GREETER_PORT is '99999': Input should be less than or equal to 65535 "
            "(port of the greetings, 1 to 65535)."
        ),
        "ISOGLOSS_GREETER_NAME is not set: it is required (whom to greet).",
    ]


def test_a_misspelt_variable_is_refused_with_the_close_name(monkeypatch, capsys):
    monkeypatch.setenv("ISOGLOSS_GREETER_PROT", "9000")

    assert refusal(capsys) == [
        (
            "ISOGLOSS_GREETER_PROT is not a setting of this process: "
            "did you mean ISOGLOSS_GREETER_PORT?"
        )
    ]


def test_a_kubernetes_service_link_is_recognised(monkeypatch, capsys):
    monkeypatch.setenv("ISOGLOSS_GREETER_PORT_80_TCP", "tcp://10.0.0.1:80")

    assert "enableServiceLinks: false" in refusal(capsys)[0]


def test_a_secret_is_not_shown(monkeypatch, capsys):
    class StrictSettings(GreeterSettings):
        token: SecretStr = Field(SecretStr("long enough"), min_length=5)

    monkeypatch.setenv("ISOGLOSS_GREETER_TOKEN", "abc")
    with pytest.raises(SystemExit):
        load_settings(StrictSettings)

    said = capsys.readouterr().err
    assert "ISOGLOSS_GREETER_TOKEN is (secret)" in said
    assert "abc" not in said


def test_a_list_that_is_not_json_is_refused_by_name(monkeypatch, capsys):
    monkeypatch.setenv("ISOGLOSS_GREETER_WORDS", "hello")

    assert refusal(capsys) == [
        "ISOGLOSS_GREETER_WORDS is 'hello': a JSON list or object is expected."
    ]


@pytest.mark.parametrize("written", ["domain, tier", '["domain", "tier"]'])
def test_a_comma_list_is_read_in_both_forms(monkeypatch, written):
    monkeypatch.setenv("ISOGLOSS_GREETER_SLICES", written)

    assert load_settings(GreeterSettings).slices == ("domain", "tier")
