"""The tables in one file."""

import sys

import pytest

from drift_monitor.adapters.databases import open_postgresql, open_sqlite
from drift_monitor.ports import StoreUnavailable

StoreSuite = sys.modules["drift_monitor_store_suite"].StoreSuite


class SqliteScene:
    def __init__(self, folder):
        self._path = folder / "drift.db"
        self._opened = []

    def open(self, name):
        self._opened.append(open_sqlite(self._path, name))
        return self._opened[-1]

    def close(self):
        for store in self._opened:
            store.close()


@pytest.fixture
def scene(tmp_path):
    opened = SqliteScene(tmp_path)
    yield opened
    opened.close()


class TestSqliteStore(StoreSuite):
    pass


@pytest.mark.parametrize("address", ["sqlite:///x", "drift"])
def test_an_address_of_something_else_is_refused(address):
    with pytest.raises(StoreUnavailable, match="postgresql://USER@HOST"):
        open_postgresql(address, None, "one")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreUnavailable):
        open_sqlite(tmp_path / "nowhere" / "drift.db", "one")
