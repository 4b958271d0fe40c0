import socket

import pytest

from isogloss.adapters.locks import sole_command
from isogloss.adapters.processes import Processes
from isogloss.adapters.sockets import free_ports, is_free
from isogloss.addresses import DEFAULT_PORTS, Addresses, PortWishes
from isogloss.down import stop_platform
from isogloss.failures import Refused
from isogloss.homes import Home
from isogloss.launches import PlatformOptions, platform_launches
from isogloss.up import start_platform


def test_a_taken_port_is_named_with_its_user_and_how_to_choose_another(home):
    ports = dict(zip(DEFAULT_PORTS, free_ports("127.0.0.1", len(DEFAULT_PORTS)), strict=True))
    taken = socket.create_server(("127.0.0.1", ports["registry-proxy"]))
    with taken, pytest.raises(Refused) as refused:
        start_platform(home, PortWishes(single=ports), PlatformOptions())

    said = str(refused.value)
    assert f"port {ports['registry-proxy']} of registry-proxy is used by pid" in said
    assert "--port gateway=8081" in said
    assert Processes(home).names() == []


def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")

    with pytest.raises(Refused, match="choose another with --home"):
        start_platform(Home(file / "home"), PortWishes(), PlatformOptions())


def test_a_port_is_free_until_somebody_listens():
    (port,) = free_ports("127.0.0.1", 1)

    assert is_free("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free("127.0.0.1", port)


def test_services_are_told_only_their_own_settings(home):
    launches = platform_launches(home, Addresses(DEFAULT_PORTS), PlatformOptions())

    assert [launch.name for launch in launches] == [
        "mlflow",
        "registry-proxy",
        "drift-monitor",
        "rollout-controller",
    ]
    for launch in launches[1:]:
        prefix = f"ISOGLOSS_{launch.name.replace('-', '_').upper()}_"
        assert all(name.startswith(prefix) for name in launch.environment)


def test_no_service_is_given_another_ones_key_or_token(home):
    launches = platform_launches(home, Addresses(DEFAULT_PORTS), PlatformOptions())

    for launch in launches[1:]:
        prefix = f"ISOGLOSS_{launch.name.replace('-', '_').upper()}_"
        assert launch.environment[prefix + "SIGNING_KEY_FILE"] == str(home.key(launch.name))


def test_two_commands_never_start_or_stop_the_same_home_at_once(home):
    with sole_command(home):
        for command in (
            lambda: start_platform(home, PortWishes(), PlatformOptions()),
            lambda: stop_platform(home),
        ):
            with pytest.raises(Refused, match="another isogloss command"):
                command()

    assert stop_platform(home) == []
