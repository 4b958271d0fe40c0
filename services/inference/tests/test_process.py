"""The real process: how it starts, serves under load while it is told to stop, and ends."""

import signal
import threading

import pytest

DEADLINE_SECONDS = 120


def test_no_request_fails_when_the_process_is_told_to_stop_under_load(start_process, processes):
    process = start_process(shutdown_delay_seconds=DEADLINE_SECONDS)
    process.wait_until_ready()
    told = threading.Event()
    callers = [processes.Caller(process.port, told) for _ in range(4)]
    for caller in callers:
        caller.start()

    process.process.send_signal(signal.SIGTERM)
    while process.ask("GET", "/readyz", port=process.metrics_port)[0] == 200:
        continue
    served = sum(len(caller.outcomes) for caller in callers)
    while sum(len(caller.outcomes) for caller in callers) < served + 40:
        continue
    told.set()  # as a router does once it has seen /readyz
    for caller in callers:
        caller.join()

    process.process.send_signal(signal.SIGTERM)  # the rest of the delay is not needed

    outcomes = [outcome for caller in callers for outcome in caller.outcomes]
    assert set(outcomes) == {200}
    assert process.process.wait(DEADLINE_SECONDS) == 0


@pytest.fixture
def registry(fakes, artifact, digest):
    with fakes.FakeRegistry(artifact, digest).running() as running:
        yield running


def test_an_artifact_comes_from_the_registry_and_events_go_to_the_drift_monitor(
    start_process, fakes, registry, private_file, tmp_path
):
    digest = registry.digest
    with fakes.FakeDriftMonitor().running() as drift_monitor:
        process = start_process(
            artifact=f"isogloss://sentiment@{digest}",
            registry_url=registry.url,
            cache_dir=tmp_path / "cache",
            token_file=private_file("token", fakes.TOKEN),
            drift_monitor_url=drift_monitor.url,
            fingerprint_key_file=private_file("fingerprint.key", "a key"),
        )
        process.wait_until_ready()
        answers = [process.predict("a good film")[1]["prediction"] for _ in range(3)]
        assert process.stop() == 0

    assert answers == ["positive"] * 3
    rows = [batch["rows"] for batch in drift_monitor.batches]
    assert sum(rows) == 3
    assert {batch["version"] for batch in drift_monitor.batches} == {digest}


def end_of(process):
    _, said = process.process.communicate(timeout=DEADLINE_SECONDS)
    return process.process.returncode, said.splitlines()[-1]


def test_a_directory_that_is_no_artifact_stops_the_process_with_a_sentence(start_process, tmp_path):
    status, said = end_of(start_process(artifact=tmp_path))

    assert status == 2
    assert said.startswith(f"{tmp_path} is not an artifact: manifest.json")


def test_an_altered_artifact_stops_the_process_with_a_sentence(start_process, artifact, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in artifact.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "vocabulary.json").write_bytes(b"{}")

    status, said = end_of(start_process(artifact=copy))

    assert status == 1
    assert "vocabulary.json: its sha256 is not the one in the manifest" in said


@pytest.fixture
def no_scikit_learn(tmp_path, monkeypatch):
    """Let the processes find none, as in the image that is without it."""
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('no sklearn', name='sklearn')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("no_scikit_learn")
def test_a_version_that_needs_scikit_learn_is_refused_where_it_is_not_installed(
    start_process, pipeline_artifact
):
    status, said = end_of(start_process(artifact=pipeline_artifact))

    assert status == 1
    assert "needs scikit-learn to be scored, which is not installed here" in said
    assert "the image whose tag ends in -sklearn" in said


@pytest.mark.usefixtures("no_scikit_learn")
def test_a_version_with_a_compiled_form_is_served_without_scikit_learn(start_process):
    process = start_process()

    process.wait_until_ready()

    assert process.predict("a good film")[1]["prediction"] == "positive"
    assert process.stop() == 0


def test_a_missing_setting_stops_the_process_with_a_sentence(start_process):
    process = start_process(queue_limit="many")

    status, said = end_of(process)

    assert status == 2
    assert said.startswith("ISOGLOSS_INFERENCE_QUEUE_LIMIT is 'many': Input should be a valid int")


def test_a_token_file_that_others_can_read_stops_the_process(start_process, private_file):
    token_file = private_file("token", "x")
    token_file.chmod(0o644)
    process = start_process(
        drift_monitor_url="http://127.0.0.1:1",
        token_file=token_file,
        fingerprint_key_file=private_file("key", "k"),
    )

    status, said = end_of(process)

    assert status == 2
    assert f"{token_file} has mode 0644" in said
