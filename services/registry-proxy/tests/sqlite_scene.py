"""A ledger in a file that is opened again and again, and a SQL prompt beside it."""

import sqlite3

from lifecycle.ledger import Draft, EntryKind
from registry_proxy.adapters.ledger_database import open_sqlite
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.adapters.sql_outbox import SqlOutbox
from registry_proxy.ledger.ports import Page


class SqliteScene:
    opener, kind = "open_sqlite", "Path"
    refusal = sqlite3.IntegrityError

    def __init__(self, path):
        self.path = path
        self.address = str(path)
        self._opened = []

    def open(self, observer=lambda _entries: None):
        database = open_sqlite(self.path)
        self._opened.append(database)
        return SqlLedger(database, lambda: 1_700_000_000.123456, observer)

    def outbox(self):
        database = open_sqlite(self.path)
        self._opened.append(database)
        return SqlOutbox(database)

    def a_page(self):
        return Page((Draft(EntryKind.POLICY, "ada", {"digest": "p"}),))

    def sql(self, statement, *values):
        connection = sqlite3.connect(self.path)
        try:
            found = connection.execute(statement, values).fetchall()
            connection.commit()
            return found
        finally:
            connection.close()

    def unguard(self):
        for (name,) in self.sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            self.sql(f"DROP TRIGGER {name}")

    def in_steps(self, statement):
        """A key may not even for a moment be there twice."""
        if "6 - seq" not in statement:
            return [statement]
        return [statement.replace("6 - seq", "-seq"), statement.replace("6 - seq", "4 + seq")]

    def close(self):
        for database in self._opened:
            database.close()
