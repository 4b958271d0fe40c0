import pytest

from servicekit.databases import DatabaseRefused, postgresql_engine


@pytest.mark.parametrize("address", ["postgresql://a@b:5432/c", "postgres://a@b/c?sslmode=require"])
def test_an_address_is_taken_as_libpq_writes_it_and_the_password_apart(address):
    engine = postgresql_engine(address, "secret", "isogloss-x")

    assert engine.url.drivername == "postgresql+psycopg"
    assert (engine.url.username, engine.url.host, engine.url.database) == ("a", "b", "c")
    assert engine.url.password == "secret"
    assert "secret" not in str(engine.url)


@pytest.mark.parametrize("address", ["", "somewhere", "mysql://a@b/c", "sqlite:///x"])
def test_another_address_is_refused_with_what_is_wanted(address):
    with pytest.raises(DatabaseRefused, match="postgresql://USER@HOST:PORT/DATABASE"):
        postgresql_engine(address, None, "isogloss-x")
