import json

import pytest
import yaml
from typer.main import get_command

from isogloss.application import application
from isogloss.calibrations import verification_table
from lifecycle.ledger import Draft, EntryKind, seal

VERSION = {
    "number": 1,
    "digest": "sha256:" + "a" * 64,
    "stage": "REGISTERED",
    "registered_at": 1.0,
    "lineage": {},
    "metadata": {"family": "tfidf_linear"},
    "evidence": {},
    "waivers": [],
}
MODEL = {"name": "sentiment", "seq": 4, "versions": [VERSION], "rollout": None}
REFUSAL = {
    "type": "urn:isogloss:problem:gate-refused",
    "detail": "the Gates of REGISTERED->STAGING answer FAIL",
    "verdict": {
        "outcome": "FAIL",
        "reasons": [{"gate": "offline-quality", "outcome": "FAIL", "text": "macro_f1: too low"}],
    },
}


@pytest.fixture
def in_home(run, served_home):
    return lambda *arguments: run("--home", served_home.root, *arguments)


def leaves(command, path=()):
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, sub in command.commands.items():
        yield from leaves(sub, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*leaf, id=" ".join(leaf[0])) for leaf in leaves(get_command(application))],
)
def test_every_command_says_what_it_does_and_gives_an_example(path, command):
    assert command.help
    assert command.epilog.startswith(f"Example: isogloss {' '.join(path)}")


def test_data_is_printed_as_table_json_or_yaml(in_home, server):
    server.answers["GET", "/v1/models"] = (200, {}, {"models": [MODEL]})

    code, table, _ = in_home("models", "list")
    assert code == 0
    assert table.splitlines()[0].split()[:3] == ["MODEL", "VERSION", "STAGE"]
    assert "sentiment  1        REGISTERED  aaaaaaaaaaaa" in table
    assert json.loads(in_home("models", "list", "-o", "json")[1]) == [MODEL]
    assert yaml.safe_load(in_home("models", "list", "-o", "yaml")[1]) == [MODEL]


def test_a_refused_promotion_exits_1_with_every_reason(in_home, server):
    digest = VERSION["digest"]
    server.answers["GET", "/v1/models/sentiment"] = (200, {}, MODEL)
    server.answers["GET", "/v1/models/sentiment/versions/1"] = (200, {}, VERSION)
    server.answers["POST", "/v1/models/sentiment/transitions"] = (409, {}, REFUSAL)

    code, out, said = in_home("models", "promote", "sentiment", "1")

    assert (code, out) == (1, "")
    assert "FAIL offline-quality: macro_f1: too low" in said
    assert "registry-proxy: the Gates of REGISTERED->STAGING answer FAIL (409)" in said
    assert json.loads(server.seen[-1][3]) == {"digest": digest, "to": "STAGING", "expected_seq": 4}


def test_a_home_without_a_platform_is_refused_and_says_what_to_do(run, home):
    code, _, said = run("--home", home.root, "models", "list")
    assert code == 1
    assert "operator.token cannot be read" in said
    assert "isogloss up" in said


def test_nobody_listening_exits_3(in_home, served_home):
    served_home.addresses.write_text('{"registry-proxy": 1}')

    code, _, said = in_home("models", "list")

    assert code == 3
    assert "registry-proxy does not answer at http://127.0.0.1:1" in said
    assert "isogloss up starts it" in said


@pytest.mark.parametrize(
    "arguments",
    [["models", "promote"], ["nonsense"], ["up", "--port", "8081"], ["load", "texts.doc"]],
    ids=["argument missing", "no such command", "port without a name", "unknown format"],
)
def test_a_wrong_call_exits_2(in_home, arguments):
    assert in_home(*arguments)[0] == 2


def test_a_drift_finding_exits_1_and_is_said(in_home, server):
    finding = {"text": "longer words", "severity": "ticket", "because": "no labels"}
    drift = {"model": "sentiment", "versions": [], "findings": [finding]}
    server.answers["GET", "/v1/models/sentiment/drift"] = (200, {}, drift)

    code, _, said = in_home("drift", "status", "sentiment")

    assert code == 1
    assert "ticket: longer words; no labels" in said


def test_calibrating_is_a_trial_or_nothing(in_home, tmp_path):
    assert in_home("drift", "calibrate", str(tmp_path))[0] == 2
    code, _, said = in_home("drift", "calibrate", str(tmp_path), "--verify")
    assert code == 1
    assert "manifest.json" in said


def test_what_a_replay_showed_is_a_table():
    shown = {
        "budget": 1.0,
        "hours": 720,
        "rows_an_hour": 250,
        "signals": 44,
        "false_findings": 0,
        "twelve_weeks": [0.0, 8.4],
        "found_after_hours": {"shorter": 2, "another topic": None},
        "passed": False,
    }
    table = verification_table(shown)
    assert table.columns == ("drift", "FAILED")
    assert ("shorter", "found after 2 h") in table.rows
    assert ("another topic", "NOT FOUND in a day") in table.rows


def test_requests_to_label_are_listed(in_home, server):
    item = {"request_id": "r1", "time": 0, "stratum": "short, sure", "probability": 0.1}
    items = [item | {"slices": ["all", "domain=film"], "label": None}]
    listed = {"version": "sha256:b", "labelled": 0, "items": items}
    server.answers["GET", "/v1/models/sentiment/labelling"] = (200, {}, listed)

    code, out, said = in_home("drift", "labels", "sentiment")

    assert code == 0
    assert "r1" in out
    assert "domain=film" in out
    assert "0 of 1 are labelled" in said


def test_one_prediction_names_the_version_that_answered(in_home, server):
    headers = {"x-model-version": VERSION["digest"], "x-request-id": "r1"}
    server.answers["POST", "/predict"] = (200, headers, {"prediction": "positive", "scores": {}})

    code, out, _ = in_home("predict", "Fine.", "-o", "json")

    assert code == 0
    assert json.loads(out)["version"] == VERSION["digest"]
    assert json.loads(server.seen[-1][3]) == {"text": "Fine."}


def test_a_broken_ledger_exits_1(in_home, server):
    report = {"entries": 3, "head": "sha256:00", "problem": "entry 4 is missing"}
    server.answers["GET", "/v1/ledger/verify"] = (200, {}, report)

    code, out, _ = in_home("audit", "verify")

    assert code == 1
    assert "entry 4 is missing" in out


def test_a_live_answers_version_is_walked_to_its_rows(in_home, server):
    lineage = {"run_id": "r1", "commit": "abc", "prompt_version": "none", "dataset": "reviews"}
    lineage |= {"dataset_version": "1.0.0", "dataset_digest": "sha256:" + "d" * 64}
    rows = {"train": {"digest": "sha256:" + "e" * 64, "rows": 41000}}
    dataset = {"sets": rows, "sources": {"reviews.csv": "sha256:" + "f" * 64}}
    version = {**VERSION, "lineage": lineage, "metadata": {"dataset": dataset}}
    server.answers["GET", "/v1/models/sentiment"] = (200, {}, MODEL)
    path = f"/v1/models/sentiment/versions/{VERSION['digest']}"
    server.answers["GET", path] = (200, {}, version)

    code, out, _ = in_home("models", "show", "sentiment", VERSION["digest"], "--lineage")
    assert code == 0
    for told in (VERSION["digest"], "abc", "41,000 rows", "reviews.csv", "sha256:" + "f" * 64):
        assert told in out

    _, out, _ = in_home("models", "show", "sentiment", VERSION["digest"], "--lineage", "-o", "json")
    assert json.loads(out)["links"][-1]["proof"] == "its lock"


def test_a_versions_rows_are_told_by_their_ids(in_home, server):
    kept = "sha256:" + "c" * 64
    dataset = {"sets": {"test": {"digest": "sha256:" + "e" * 64, "rows": 1}}, "sources": {}}
    lineage = {"run_id": "r1", "commit": "abc", "prompt_version": "none", "dataset_version": "1"}
    commit = {"id": "abc", "folder": ".", "differing": ["train.yaml"]}
    metadata = {"dataset": dataset, "commit": commit, "made_from": {"dataset": kept}}
    version = {**VERSION, "lineage": lineage, "metadata": metadata}
    server.answers["GET", "/v1/models/sentiment"] = (200, {}, MODEL)
    server.answers["GET", "/v1/models/sentiment/versions/1"] = (200, {}, version)
    rows = ["5" * 64, 1, "imdb"]
    server.answers["GET", f"/v1/artifacts/{kept}/files/test.jsonl"] = (200, {}, rows)
    show = ("models", "show", "sentiment", "1", "--lineage")

    told = in_home(*show)[1]
    assert "its rows" in told
    assert "its objects; not the commit's: train.yaml" in told
    code, out, _ = in_home(*show, "--rows", "test", "-o", "json")
    assert code == 0
    assert json.loads(out) == [{"row": 1, "id": "5" * 64, "label": 1, "source": "imdb"}]

    code, _, said = in_home(*show, "--rows", "train")
    assert code == 1
    assert "has no set train; it has test" in said


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"image": "sha256:" + "a" * 64, "pod": "train-1"}, ["its pod was seen", "train-1"]),
        ({"image": "none", "why": "it has a command"}, ["not verified: it has a command"]),
        ({}, ["not verified: nobody looked", "sha256:" + "9" * 64]),
    ],
)
def test_a_training_image_is_told_as_verified_or_not(in_home, server, training, told):
    lineage = {"run_id": "r1", "commit": "abc", "prompt_version": "none", "dataset": "reviews"}
    lineage |= {"dataset_version": "1.0.0", "environment_digest": "sha256:" + "9" * 64}
    version = {**VERSION, "lineage": lineage, "metadata": {"training": training}}
    server.answers["GET", "/v1/models/sentiment"] = (200, {}, MODEL)
    server.answers["GET", f"/v1/models/sentiment/versions/{VERSION['digest']}"] = (200, {}, version)

    code, out, _ = in_home("models", "show", "sentiment", VERSION["digest"], "--lineage")

    assert code == 0
    assert all(each in out for each in told)


def test_what_a_collection_would_remove_is_told(in_home, server):
    gone = {"digest": VERSION["digest"], "size": 1234567, "written_at": 1.0}
    answer = {"removed": [gone], "spared": [], "named": 2, "freed_bytes": 1234567}
    path = "/v1/artifacts/collections"
    server.answers["POST", path] = (200, {}, {"dry_run": True, **answer})

    code, out, said = in_home("artifacts", "gc", "--dry-run", "--older-than-hours", "1")

    assert code == 0
    assert "1,234,567" in out
    assert "would be removed" in out
    assert "2 named by versions stay" in said
    assert json.loads(server.seen[-1][3]) == {"older_than_hours": 1.0, "dry_run": True}


def a_chain(length):
    entries = []
    for number in range(length):
        draft = Draft(EntryKind.DENIED, "ada", {"reason": f"no {number}"})
        entries.append(seal(draft, "sentiment", float(number), entries[-1] if entries else None))
    return entries


def exported(entries):
    return "".join(json.dumps(entry.to_dict()) + "\n" for entry in entries)


def test_an_export_is_checked_without_asking_anybody(in_home, tmp_path):
    chain = a_chain(3)
    (tmp_path / "all.jsonl").write_text(exported(chain))
    (tmp_path / "cut.jsonl").write_text(exported(chain[:2]))
    anchor = f"3:{chain[-1].hash}"

    code, _, said = in_home("audit", "verify", "--file", tmp_path / "all.jsonl")
    assert (code, said.strip()) == (0, f"anchor: {anchor}")
    assert in_home("audit", "verify", "--file", tmp_path / "cut.jsonl")[0] == 0
    cut = ("audit", "verify", "--file", tmp_path / "cut.jsonl", "--anchor", anchor)
    code, out, _ = in_home(*cut)
    assert code == 1
    assert "entry 3 and all after it are missing" in out


def test_an_export_is_what_the_registry_sends(in_home, server):
    entry = a_chain(1)[0].to_dict()
    server.answers["GET", "/v1/ledger"] = (200, {}, entry)

    code, out, _ = in_home("audit", "export")

    assert (code, json.loads(out)) == (0, entry)


@pytest.mark.parametrize("anchor", ["12", "12:abc", "x:sha256:00"])
def test_what_is_no_anchor_is_misuse(in_home, anchor):
    assert in_home("audit", "verify", "--anchor", anchor)[0] == 2


def test_what_is_no_export_is_misuse(in_home, tmp_path):
    (tmp_path / "no.jsonl").write_text('{"seq": 1}\n')

    assert in_home("audit", "verify", "--file", tmp_path / "no.jsonl")[0] == 2


def test_a_policy_with_an_unknown_field_is_refused_before_it_is_sent(in_home, server, tmp_path):
    (tmp_path / "policy.yaml").write_text("kind: GatePolicy\nname: p\nversion: '1'\ngats: []\n")
    (tmp_path / "served-model.yaml").write_text("kind: ServedModel\n")

    code, _, said = in_home("apply", tmp_path)

    assert code == 1
    assert "policy." in said
    assert server.seen == []


def test_nothing_to_stop_is_said(run, home):
    code, _, said = run("--home", home.root, "down")

    assert code == 0
    assert "nothing of" in said
