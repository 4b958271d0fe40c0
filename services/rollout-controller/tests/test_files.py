"""What people write (ServedModels) and what is kept over restarts (the journal)."""

import pytest
import yaml
from rollout_controller_fakes import MODEL, START, a_rollout, a_served_model
from rollout_controller_fakes import JournalFile as FakeJournal

from lifecycle.rollouts import Phase
from rollout_controller.adapters.journal_file import JournalFile
from rollout_controller.adapters.served_model_files import ServedModelFiles
from rollout_controller.hostnames import refuse_hostnames
from rollout_controller.mirror_counts import begin_mirror_tally
from rollout_controller.ports import Notes
from rollout_controller.tallies import Counters, begin_tally

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["fake", "file"])
def journal(request, tmp_path):
    return FakeJournal() if request.param == "fake" else JournalFile(tmp_path)


def test_a_journal_is_empty_at_first(journal):
    assert journal.load(MODEL) == Notes()


@pytest.mark.parametrize("counted", [True, False])
def test_a_journal_gives_back_the_notes_last_saved(journal, counted):
    tally = begin_tally(a_rollout(Phase.BAKING), {"127.0.0.1:8401": Counters(3, 2, 1, 0)}, START)
    tally = tally.counting_baseline({"127.0.0.1:8501": Counters(9, 1, 8, 0)})
    mirror = begin_mirror_tally("r7", {"envoy": 5}, START).counting({"envoy": 9}, START + 2)
    notes = Notes(tally, START, mirror) if counted else Notes(resumed_at=START)
    journal.save(MODEL, Notes())
    journal.save(MODEL, notes)

    assert journal.load(MODEL) == notes
    assert journal.load("topic") == Notes()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tally": {"phase": "NONE"}}'])
def test_a_damaged_journal_costs_waiting_only(tmp_path, text):
    (tmp_path / f"{MODEL}.notes.json").write_text(text)
    assert JournalFile(tmp_path).load(MODEL) == Notes()


def write(path, name=MODEL, **spec):
    document = {
        "apiVersion": "isogloss.dev/v1alpha1",
        "kind": "ServedModel",
        "metadata": {"name": name},
        "spec": spec,
    }
    path.write_text(yaml.safe_dump(document))


async def test_served_models_are_read_and_read_again_when_they_change(tmp_path):
    files = ServedModelFiles(tmp_path)
    assert (await files.read()).models == {}

    write(tmp_path / "a.yaml", bakeSeconds=9)
    assert (await files.read()).models[MODEL].bake_seconds == 9
    (tmp_path / "a.yaml").unlink()
    assert (await files.read()).models == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "expected the node content"),
        ("{}", "apiVersion is missing"),
        (None, "canaryWeights"),
    ],
)
async def test_a_wrong_file_is_refused_by_name_and_its_last_good_form_stays(tmp_path, text, reason):
    path = tmp_path / "a.yaml"
    write(path, bakeSeconds=9)
    files = ServedModelFiles(tmp_path)
    await files.read()
    if text is None:
        write(path, canaryWeights=[50, 10])
    else:
        path.write_text(text)
    read = await files.read()

    assert reason in read.refused["a.yaml"]
    assert str(path) in read.refused["a.yaml"]
    assert read.models[MODEL].bake_seconds == 9


async def test_one_model_in_two_files_is_read_from_the_first(tmp_path):
    write(tmp_path / "a.yaml", bakeSeconds=1)
    write(tmp_path / "b.yaml", bakeSeconds=2)
    read = await ServedModelFiles(tmp_path).read()

    assert read.models[MODEL].bake_seconds == 1
    assert "keep one" in read.refused["b.yaml"]


@pytest.mark.parametrize(
    ("hostnames", "reason"),
    [
        (["Reviews.test"], "lower-case host name"),
        (["a..test"], "lower-case host name"),
        (["re*views.test"], "lower-case host name"),
        (["a.test", "a.test"], "once"),
        (["*"], "which sentiment has"),
    ],
)
def test_a_hostname_that_would_spoil_everyones_routes_is_refused(hostnames, reason):
    models = {MODEL: a_served_model(), "topic": a_served_model("topic", hostnames=hostnames)}
    assert reason in refuse_hostnames(models, [])["topic"]


def test_who_is_served_already_keeps_its_hostname():
    models = {MODEL: a_served_model(), "topic": a_served_model("topic")}

    assert set(refuse_hostnames(models, [])) == {"topic"}
    assert set(refuse_hostnames(models, ["topic"])) == {MODEL}
