"""The ledger on a real PostgreSQL: the same suite as on SQLite, and what only a server brings."""

import importlib.util
import sys
from pathlib import Path

import psycopg
import pytest

from postgresql_server import PASSWORD
from registry_proxy.adapters.ledger_database import open_postgresql
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.adapters.sql_outbox import SqlOutbox
from registry_proxy.ledger.ports import LedgerUnavailable

TESTS = Path(__file__).parents[2] / "services/registry-proxy/tests"


def _load(path):
    spec = importlib.util.spec_from_file_location(f"{path.stem}_for_servers", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


suite = _load(TESTS / "ledger_suite.py")
OutboxSuite = _load(TESTS / "outbox_suite.py").OutboxSuite


class PostgresqlScene:
    opener, kind = "open_postgresql", "str"
    refusal = psycopg.errors.RaiseException

    def __init__(self, server):
        self.server = server
        self.url = server.database()
        self.address = self.url.replace("@", f":{PASSWORD.replace(' ', '%20')}@")
        self._opened = []

    def open(self, observer=lambda _entries: None):
        database = open_postgresql(self.url, PASSWORD)
        self._opened.append(database)
        return SqlLedger(database, lambda: 1_700_000_000.123456, observer)

    def outbox(self):
        database = open_postgresql(self.url, PASSWORD)
        self._opened.append(database)
        return SqlOutbox(database)

    def sql(self, statement):
        with psycopg.connect(self.url, password=PASSWORD) as connection:
            connection.execute(statement)

    def unguard(self):
        for table in ("entries", "documents"):
            self.sql(f"DROP TRIGGER {table}_append_only ON {table}")

    def in_steps(self, statement):
        if "6 - seq" not in statement:
            return [statement]
        return [statement.replace("6 - seq", "-seq"), statement.replace("6 - seq", "4 + seq")]

    def close(self):
        for database in self._opened:
            database.close()
        self.server.drop(self.url)


@pytest.fixture
def scene(postgresql):
    opened = PostgresqlScene(postgresql)
    yield opened
    opened.close()


class TestPostgresqlLedger(suite.LedgerSuite):
    def test_nothing_is_emptied_either(self, ledger, scene):
        ledger.append("sentiment", 0, suite.a_page())

        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            scene.sql("TRUNCATE entries")

    def test_a_server_that_fell_over_is_used_again_once_it_is_back(self, ledger, scene):
        ledger.append("sentiment", 0, suite.a_page())

        scene.server.restart()

        assert ledger.append("sentiment", 1, suite.a_page()).seq == 2
        assert ledger.verify().problem is None


class TestPostgresqlOutbox(OutboxSuite):
    pass


def test_a_server_that_does_not_answer_is_told_without_the_password():
    with pytest.raises(LedgerUnavailable) as refused:
        open_postgresql("postgresql://isogloss@127.0.0.1:9/ledger", PASSWORD)

    assert "cannot be used" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_a_wrong_password_is_refused(scene):
    with pytest.raises(LedgerUnavailable, match="password authentication failed"):
        open_postgresql(scene.url, "wrong")


@pytest.mark.parametrize("address", ["sqlite:///x", "postgresql://[", "ledger"])
def test_an_address_of_something_else_is_refused(address):
    with pytest.raises(LedgerUnavailable):
        open_postgresql(address)
