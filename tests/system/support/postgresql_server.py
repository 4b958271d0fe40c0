"""A real PostgreSQL for as long as it is needed: a cluster in a folder of its own, on loopback.

PostgreSQL does not run as root, so where we are root it runs as the account that its Debian
package makes. `ended` leaves neither processes nor files.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "of this cluster, for as long as it lives"
USER = "isogloss"


class PostgresqlServer:
    """A running server; `durable` as in production, else without waiting for the disk."""

    def __init__(self, *, durable=False):
        self._programs = programs()
        self._account = _account()
        self.folder = Path(tempfile.mkdtemp(prefix="isogloss-postgresql-"))
        self.port = _free_port()
        self._databases = 0
        self._make_cluster()
        self._log = (self.folder / "log").open("w")
        self._process = self._start("on" if durable else "off")

    def database(self, like="template1"):
        """Make a database, empty or a copy, and return its address."""
        self._databases += 1
        name = f"ledger_{self._databases}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(like)
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                self._ask(statement)
            except psycopg.errors.ObjectInUse:  # who was killed is still taken leave of
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                break
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def drop(self, address):
        """Remove a database, whoever is still connected."""
        name = address.rpartition("/")[2]
        self._ask(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def restart(self):
        """End at once, as in a crash, and start again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)
        self._process = self._start("off")

    def stop(self):
        """End the server and remove the cluster."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._log.close()
        shutil.rmtree(self.folder)

    def _make_cluster(self):
        (self.folder / "password").write_text(PASSWORD)
        if self._account:
            for path in (self.folder, self.folder / "password"):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        self._run(
            *("initdb", "--no-sync", f"--pgdata={self.folder}/data", f"--username={USER}"),
            *("--auth=scram-sha-256", f"--pwfile={self.folder}/password"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        )

    def _start(self, durable):
        command = [
            *(f"{self._programs}/postgres", "-D", f"{self.folder}/data", "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"),
            *("-c", f"fsync={durable}"),
        ]
        process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, cwd=self.folder, **self._as_account()
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._ask(sql.SQL("SELECT 1"))
            except psycopg.OperationalError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return process

    def _ask(self, statement):
        where = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}
        with psycopg.connect(**where, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program, *arguments):
        done = subprocess.run(
            [f"{self._programs}/{program}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **self._as_account(),
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def _as_account(self):
        if not self._account:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


@contextmanager
def postgresql_server(*, durable=False):
    """Run a server while the block does."""
    server = PostgresqlServer(durable=durable)
    try:
        yield server
    finally:
        server.stop()


def programs():
    """Return the folder of PostgreSQL's programs, which are installed where they are missing."""
    found = subprocess.run(
        [ROOT / "tests/cluster/program.sh", "postgresql"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHON": sys.executable},
    )
    return found.stdout.strip().splitlines()[-1]


def _account():
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
