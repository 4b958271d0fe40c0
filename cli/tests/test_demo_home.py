import pytest

from isogloss.demo.ownership import MARKER, claim_home
from isogloss.failures import Refused
from isogloss.homes import Home


def a_file(home, name, content="x"):
    path = home.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_new_home_is_claimed(tmp_path):
    home = Home(tmp_path / "home")

    claim_home(home)

    assert (home.root / MARKER).exists()
    assert home.served_models.is_dir()


def test_a_home_with_a_ledger_of_its_own_is_left_alone(home):
    ledger = a_file(home, "registry/ledger.db")

    with pytest.raises(Refused, match="a platform that is not the demo's"):
        claim_home(home)
    assert ledger.exists()
    assert not (home.root / MARKER).exists()


def test_data_of_a_home_without_a_ledger_may_be_used(home):
    data = a_file(home, "data/reviews-1/train.parquet")

    claim_home(home)

    assert data.exists()


def test_an_interrupted_demo_is_begun_afresh_with_the_data_it_had(home):
    claim_home(home)
    kept = [a_file(home, "data/reviews-1/train.parquet"), a_file(home, "cache/packages/a.whl")]
    gone = [
        a_file(home, "registry/ledger.db"),
        a_file(home, "cache/artifacts/aa/manifest.json"),
        a_file(home, "demo/load-first-users.json"),
        a_file(home, "served-models/sentiment.yaml"),
        a_file(home, "ports.json"),
    ]

    claim_home(home)

    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert (home.root / MARKER).exists()
