import base64

import pytest

from servicekit.callers import FileRefused
from servicekit.signing import (
    SignatureRefused,
    Verifier,
    generate_key,
    key_id_of,
    load_signer,
    public_key_text,
)

KIND = "application/vnd.isogloss.evidence+json"


@pytest.fixture
def signer(tmp_path):
    return generate_key(tmp_path / "gate.pem")


@pytest.fixture
def verifier(signer):
    return Verifier({signer.key_id: signer.public_text})


def test_a_trusted_signature_opens(signer, verifier):
    envelope = signer.sign(KIND, b"payload")

    assert verifier.open(envelope) == (KIND, b"payload", signer.key_id)


def test_the_bytes_signed_are_those_of_the_specification(signer):
    envelope = signer.sign("http://example.com/HelloWorld", b"hello world")
    signature = base64.b64decode(envelope["signatures"][0]["sig"])

    message = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    signer._key.public_key().verify(signature, message)


def test_the_url_safe_alphabet_is_accepted(signer, verifier):
    envelope = signer.sign(KIND, b"\xff\xfe\xfd" * 9)
    envelope["payload"] = envelope["payload"].replace("+", "-").replace("/", "_")

    assert verifier.open(envelope)[1] == b"\xff\xfe\xfd" * 9


@pytest.mark.parametrize(
    "change",
    [{"payload": base64.b64encode(b"other").decode()}, {"payloadType": "text/plain"}],
    ids=["payload", "type"],
)
def test_a_changed_envelope_is_refused(signer, verifier, change):
    with pytest.raises(SignatureRefused, match="does not match"):
        verifier.open(signer.sign(KIND, b"payload") | change)


def test_a_stranger_is_refused_by_key(tmp_path, verifier):
    stranger = generate_key(tmp_path / "stranger.pem")

    with pytest.raises(SignatureRefused, match=stranger.key_id):
        verifier.open(stranger.sign(KIND, b"payload"))


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"payload": "?", "payloadType": KIND, "signatures": []},
        {"payload": "", "payloadType": 1, "signatures": []},
        {"payload": "", "payloadType": KIND, "signatures": [{"keyid": [], "sig": ""}]},
        {"payload": "", "payloadType": KIND, "signatures": ["x"]},
    ],
    ids=["empty", "not base64", "number for a type", "list for a key", "text for a signature"],
)
def test_a_malformed_envelope_is_refused(verifier, envelope):
    with pytest.raises(SignatureRefused, match="malformed"):
        verifier.open(envelope)


def test_an_envelope_nobody_signed_is_refused(verifier):
    with pytest.raises(SignatureRefused, match="nobody"):
        verifier.open({"payload": "", "payloadType": KIND, "signatures": []})


def test_a_key_is_written_for_its_owner_only_and_never_replaced(tmp_path, signer):
    path = tmp_path / "gate.pem"

    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).key_id == signer.key_id == key_id_of(public_key_text(path))
    with pytest.raises(FileRefused, match="exists already"):
        generate_key(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["gate.pem"]


def test_a_key_that_others_can_read_is_refused(tmp_path):
    generate_key(tmp_path / "gate.pem")
    (tmp_path / "gate.pem").chmod(0o644)

    with pytest.raises(FileRefused, match=r"gate\.pem has mode 0644"):
        load_signer(tmp_path / "gate.pem")


def test_a_file_that_is_no_key_is_refused(tmp_path):
    path = tmp_path / "gate.pem"
    path.write_text("no key")
    path.chmod(0o600)

    with pytest.raises(FileRefused, match="no private key"):
        load_signer(path)


def test_a_trusted_key_under_another_id_is_refused(signer):
    with pytest.raises(ValueError, match="another id"):
        Verifier({"0" * 64: signer.public_text})
