"""Clients made for other servers are served: KServe's own over all it speaks, Triton's over gRPC.

Their pins are not ours, so they live in an environment of their own.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from textmodels.artifacts import read_manifest, save_artifact
from textmodels.families import fit_family

GOOD = ("a good film", "great story and fine actors", "good fun", "a fine and great film")
BAD = ("a bad film", "awful story and poor actors", "bad and dull", "a poor and awful film")
TEXTS = ["a great and fine story", "ein furchtbarer Film, a bad film"]
LABELS = ["positive", "negative"]
pytestmark = pytest.mark.timeout(900)  # their environment is made on the first run
SUPPORT = Path(__file__).with_name("support")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    labels = ["positive"] * len(GOOD) + ["negative"] * len(BAD)
    fitted = fit_family("tfidf_linear", [*GOOD, *BAD], labels, {"min_df": 1}, seed=1)
    directory = tmp_path_factory.mktemp("artifacts") / "sentiment"
    save_artifact(directory, fitted, {"run_id": "a-run"})
    return directory


@pytest.fixture(scope="module")
def addresses(artifact):
    """A real predictor's addresses for REST and gRPC."""
    given = {"MODEL": "sentiment", "ARTIFACT": artifact, "PORT": 0, "METRICS_PORT": 0}
    given |= {"GRPC_PORT": 0, "SHUTDOWN_DELAY_SECONDS": 0}
    names = {f"ISOGLOSS_INFERENCE_{name}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", "inference"]
    with subprocess.Popen(
        command, env=os.environ | names, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield wait_for_addresses(process.stderr)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
    assert process.returncode == 0


def wait_for_addresses(log):
    rest = grpc = None
    for line in log:
        if found := re.search(r'"address": \["127.0.0.1", (\d+)\]', line):
            rest = rest or f"http://127.0.0.1:{found.group(1)}"
        if found := re.search(r"listening for gRPC on port (\d+)", line):
            grpc = f"127.0.0.1:{found.group(1)}"
        if '"serving sentiment@' in line:
            return rest, grpc
    raise AssertionError("the predictor ended before it was ready")


def tell(python, script, *arguments):
    command = [python, SUPPORT / script, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def told(clients, addresses):
    return tell(clients, "kserve_clients.py", *addresses, "sentiment", *TEXTS)


def test_kserve_speaks_v1(told):
    v1 = told["v1"]
    assert (v1["live"], v1["ready"], v1["predictions"]) == (True, True, LABELS)
    assert v1["another model"] == 404


def test_kserve_asks_for_explanations(told):
    assert [each["label"] for each in told["v1"]["explanations"]] == LABELS
    assert told["v1"]["explanations"][0]["features"]


def test_kserve_speaks_the_open_inference_protocol(told):
    v2 = told["v2"]
    assert (v2["live"], v2["ready"], v2["model ready"]) == (True, True, True)
    assert v2["all"]["id"] == "42"  # over REST its client drops the version
    assert v2["all"]["outputs"]["label"] == LABELS
    assert len(v2["all"]["outputs"]["scores"]) == 4
    assert v2["label"]["outputs"] == {"label": LABELS}


def test_kserve_is_told_that_there_are_no_binary_tensors(told):
    assert told["v2"]["binary"] == 415


def test_kserve_speaks_grpc_and_gets_the_same_answers(told, artifact):
    grpc = told["grpc"]
    assert (grpc["live"], grpc["ready"], grpc["model ready"]) == (True, True, True)
    assert (grpc["all"]["id"], grpc["all"]["version"]) == ("42", read_manifest(artifact).digest)
    assert grpc["all"]["outputs"]["label"] == LABELS
    assert grpc["all"]["outputs"]["scores"] == pytest.approx(told["v2"]["all"]["outputs"]["scores"])
    assert grpc["raw"] == grpc["all"]


def test_triton_speaks_grpc(clients, addresses):
    told = tell(clients, "triton_client.py", addresses[1], "sentiment", *TEXTS)
    assert (told["live"], told["ready"], told["server"]) == (True, True, "isogloss-inference")
    assert told["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": ["-1"]}]
    assert told["label"] == LABELS
