import pytest

from isogloss.option_order import global_options_first


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("status -n models", "-n models status"),
        ("models list --namespace=models -o json", "--namespace=models models list -o json"),
        ("--cluster status --release x --context y", "--cluster --release x --context y status"),
        ("rollout start m 2 --cluster --watch", "--cluster rollout start m 2 --watch"),
        ("predict -n models -- -n", "-n models predict -- -n"),
        ("status -n", "-n status"),
        ("--home h up --port gateway=1", "--home h up --port gateway=1"),
    ],
)
def test_options_of_a_cluster_may_stand_anywhere(given, wanted):
    assert global_options_first(given.split()) == wanted.split()
