import pytest

from isogloss.addresses import (
    DEFAULT_PORTS,
    Addresses,
    PortWishes,
    choose_addresses,
    read_single_ports,
    remember_addresses,
    remembered_addresses,
)
from isogloss.failures import Misused


def test_without_wishes_every_port_is_the_default():
    assert choose_addresses(PortWishes()).ports == DEFAULT_PORTS


def test_an_offset_moves_every_port():
    ports = choose_addresses(PortWishes(offset=1000)).ports

    assert ports == {name: port + 1000 for name, port in DEFAULT_PORTS.items()}


def test_ports_in_a_row_leave_no_gap_and_one_may_be_named():
    ports = choose_addresses(PortWishes(start_at=18000, single={"mlflow": 19000})).ports

    assert ports["gateway"] == 18000
    assert ports["mlflow"] == 19000
    assert len(set(ports.values())) == len(DEFAULT_PORTS)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (PortWishes(single={"gatway": 1}), "no such port"),
        (PortWishes(offset=60000), "outside 1024-65535"),
        (PortWishes(single={"gateway": 80}), "port 80 of gateway"),
    ],
    ids=["unknown name", "too high", "too low"],
)
def test_a_port_that_cannot_be_is_refused_by_name(wishes, said):
    with pytest.raises(Misused, match=said):
        choose_addresses(wishes)


def test_a_single_port_is_written_name_equals_number():
    assert read_single_ports(["gateway=8081"]) == {"gateway": 8081}
    with pytest.raises(Misused, match="NAME=NUMBER"):
        read_single_ports(["8081"])


def test_ports_are_remembered_in_the_home(home):
    assert remembered_addresses(home).ports == DEFAULT_PORTS

    remember_addresses(home, Addresses({**DEFAULT_PORTS, "gateway": 18080}))

    assert remembered_addresses(home).url("gateway") == "http://127.0.0.1:18080"
