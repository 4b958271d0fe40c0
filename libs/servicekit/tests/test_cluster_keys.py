import asyncio
import base64
import json

import pytest

from servicekit.cluster_keys import SIGNERS, KeysRefused, Release, keep_keys
from servicekit.kubernetes_api import core
from servicekit.signing import new_key, read_signer

RELEASE = Release("models", "isogloss", {})
TRUST = core("models", "configmaps", "isogloss-trust")


def secret_path(name):
    return core("models", "secrets", name)


@pytest.fixture
def keep(api, run):
    def run_once(release=RELEASE, times=1):
        told = []

        async def all_at_once():
            await asyncio.gather(*(keep_keys(api, release, told.append) for _ in range(times)))

        run(all_at_once())
        return told

    return run_once


def secret_of(api_server, name, key="key.pem"):
    return base64.b64decode(api_server.objects[secret_path(name)]["data"][key])


def public_of(api_server, role):
    return read_signer(secret_of(api_server, f"isogloss-{role}-key"), role).public_text


def trusted(api_server):
    keys = json.loads(api_server.objects[TRUST]["data"]["trust.json"])["keys"]
    return [(key["role"], key["public"]) for key in keys]


def put_key(api_server, name, content=None):
    content = base64.b64encode(new_key() if content is None else content).decode()
    api_server.put(secret_path(name), data={"key.pem": content})


def test_all_keys_are_made_and_the_public_ones_trusted_by_role(keep, api_server):
    told = keep()

    assert trusted(api_server) == [(role, public_of(api_server, role)) for role in SIGNERS]
    fingerprint = secret_of(api_server, "isogloss-fingerprint-key", "fingerprint.key")
    assert len(bytes.fromhex(fingerprint.decode())) == 32
    assert told[0] == "Secret models/isogloss-gate-key: made"
    assert told[-1] == "ConfigMap models/isogloss-trust: made"


def test_a_database_of_its_own_gets_a_password_which_nobody_trusts_as_a_key(keep, api_server):
    keep()
    assert secret_path("isogloss-postgresql-key") not in api_server.objects

    keep(Release("models", "isogloss", {}, database=True))

    assert len(secret_of(api_server, "isogloss-postgresql-key", "password")) == 64
    assert [role for role, _ in trusted(api_server)] == list(SIGNERS)


def test_a_second_run_changes_nothing(keep, api_server):
    keep()
    before = dict(api_server.objects)

    told = keep()

    assert api_server.objects == before
    assert told[-1] == "ConfigMap models/isogloss-trust: was complete, 0 further keys stay"


def test_several_at_once_agree_on_one_set_of_keys(keep, api_server):
    keep(times=5)

    assert trusted(api_server) == [(role, public_of(api_server, role)) for role in SIGNERS]


def test_what_people_trust_beside_it_stays(keep, api_server):
    keep()
    further = {"role": "gate", "public": "another"}
    document = json.dumps({"keys": [further]})
    api_server.put(TRUST, data={"trust.json": document})

    told = keep()

    assert trusted(api_server)[0] == ("gate", "another")
    assert len(trusted(api_server)) == 5
    assert told[-1].endswith("4 keys added")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": [{"role": "gate"}]}', '{"keys": 3}'])
def test_an_unreadable_trust_file_is_written_anew(keep, api_server, text):
    keep()
    good = trusted(api_server)
    api_server.put(TRUST, data={"trust.json": text})

    told = keep()

    assert trusted(api_server) == good
    assert told[-1].endswith("was not readable, written anew")


def test_a_key_that_people_bring_is_trusted_and_none_is_made_for_it(keep, api_server):
    put_key(api_server, "our-gate")

    keep(Release("models", "isogloss", {"gate": "our-gate"}))

    brought = read_signer(secret_of(api_server, "our-gate"), "").public_text
    assert trusted(api_server)[0] == ("gate", brought)
    assert secret_path("isogloss-gate-key") not in api_server.objects


def test_a_key_that_people_name_but_do_not_bring_is_asked_for(keep, api_server):
    with pytest.raises(KeysRefused, match="Secret models/our-gate was named for gate but is miss"):
        keep(Release("models", "isogloss", {"gate": "our-gate"}))

    assert TRUST not in api_server.objects


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "has nothing under"), (b"x", "holds no private key in PEM form")]
)
def test_a_key_that_cannot_be_used_is_named_and_not_replaced(keep, api_server, content, said):
    put_key(api_server, "isogloss-gate-key", content)

    with pytest.raises(KeysRefused, match=f"Secret models/isogloss-gate-key {said}"):
        keep()

    assert secret_of(api_server, "isogloss-gate-key") == content
