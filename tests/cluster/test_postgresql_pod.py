"""The chart's own PostgreSQL: a pod as the chart writes it, and the ledger in it."""

import base64
import os
import secrets

import psycopg
import pytest
import yaml

from forward import Forward
from kube import eventually
from registry_proxy.adapters.ledger_database import open_postgresql
from release import CHARTS, helm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

IMAGE = os.environ.get("ISOGLOSS_E2E_POSTGRESQL", "localhost/postgresql:15")
NAME = "isogloss-postgresql"


def as_the_chart_writes_it(namespace):
    chart = CHARTS / "isogloss"
    values = ("--values", str(chart / "ci/trying-out-values.yaml"))
    given = {"requireClusterApis": "false", "postgresql.image": IMAGE}
    given |= {"postgresql.persistence.size": "1Gi", "postgresql.persistence.keep": "false"}
    options = [part for key in given for part in ("--set", f"{key}={given[key]}")]
    shown = ("--show-only", "templates/postgresql/workload.yaml", "--namespace", namespace.name)
    text = helm("template", "isogloss", str(chart), *values, *options, *shown)
    return [document for document in yaml.safe_load_all(text) if document]


class Server:
    """The pod's server, and the password that the release's job of keys would make."""

    def __init__(self, namespace):
        self.password = secrets.token_hex(32)
        self.forward = Forward(namespace.name, f"service/{NAME}", 5432)

    @property
    def secret(self):
        encoded = base64.b64encode(self.password.encode()).decode()
        metadata, content = {"name": f"{NAME}-key"}, {"password": encoded}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": content}

    @property
    def url(self):
        return f"postgresql://isogloss@{self.forward.place()}/postgres"

    def entries(self):
        """Return how many entries the ledger has; None while nobody answers."""
        try:
            with psycopg.connect(self.url, password=self.password, connect_timeout=5) as connection:
                return connection.execute("SELECT count(*) FROM entries").fetchone()
        except (psycopg.OperationalError, ConnectionError):
            return None


@pytest.fixture
def server(namespace):
    made = Server(namespace)
    namespace.apply(made.secret, *as_the_chart_writes_it(namespace))
    namespace.wait("Available", f"deployment/{NAME}")
    yield made
    made.forward.close()


def test_the_ledger_is_still_there_when_the_pod_was_replaced(namespace, kubectl, server):
    open_postgresql(server.url, server.password).close()
    assert server.entries() == (0,)

    kubectl("delete", "pod", "--selector=app.kubernetes.io/component=postgresql", *namespace.where)

    namespace.wait("Available", f"deployment/{NAME}")
    assert eventually(server.entries) == (0,)


def test_who_does_not_know_the_password_is_nobody(server):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url, password="guessed", connect_timeout=5)
