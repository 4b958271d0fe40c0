import asyncio
import json
import stat

from isogloss.credentials import CALLER_ROLES, create_credentials
from isogloss.homes import KEY_ROLES
from servicekit.callers import TokenFile, read_token
from servicekit.signing import load_signer


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_services_recognise_every_caller_by_the_token_that_was_made(home):
    create_credentials(home)

    known = TokenFile(home.callers)
    for caller, roles in CALLER_ROLES.items():
        found = asyncio.run(known.find(read_token(home.token(caller)), roles))
        assert found.name == caller
        assert set(roles) <= found.roles


def test_the_trust_file_holds_the_public_key_of_every_signing_role(home):
    create_credentials(home)

    trusted = {key["role"]: key["public"] for key in json.loads(home.trust.read_bytes())["keys"]}
    assert trusted == {role: load_signer(home.key(role)).public_text for role in KEY_ROLES}


def test_only_the_owner_can_read_what_is_secret(home):
    create_credentials(home)

    assert mode(home.root) == 0o700
    secret = [home.callers, home.fingerprint_key, home.token("operator"), home.key("gate")]
    assert [mode(path) for path in secret] == [0o600] * 4


def test_what_exists_stays_and_what_is_missing_is_made_again(home):
    create_credentials(home)
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    home.token("trainer").unlink()

    create_credentials(home)

    after = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == {"trainer.token", "callers.json"}
