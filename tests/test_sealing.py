"""What is sealed opens with its key and for its purpose: another key, another field or a changed byte opens nothing."""

import base64
import os
from dataclasses import replace
from datetime import date

import pytest
from cryptography.fernet import Fernet

import config
from portal import sealing
from tests.conftest import portal_settings

CLIENT = {"client_id": "RM01", "pan": "ACUPA1234R", "gstin": None, "date_of_birth": date(1985, 2, 1),
          "notes": "मधुमेह 2019"}


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@pytest.fixture
def with_keys(tmp_path):
    """Gives the portal these keys, the first of which seals."""
    settings = portal_settings(tmp_path)
    before = config.use_settings(settings)
    yield lambda *keys: config.use_settings(replace(settings, data_encryption_key=keys))
    config.use_settings(before)


def test_a_row_is_stored_without_its_sensitive_values_and_comes_back_as_it_was(with_keys):
    stored = sealing.sealed_row("clients", CLIENT)
    assert all(stored[name] is None for name in sealing.SEALED["clients"])
    assert not any(part in str(stored) for part in ("ACUPA1234R", "1985", "2019"))
    assert sealing.opened(stored) == CLIENT


def test_of_a_birthday_the_day_and_month_stay_to_be_looked_for(with_keys):
    assert sealing.sealed_row("members", {"date_of_birth": date(1985, 11, 3)})["birthday"] == 1103
    assert sealing.sealed_row("members", {"date_of_birth": None})["birthday"] is None
    assert "birthday" not in sealing.sealed_row("members", {"deleted_at": None})


def test_the_same_value_is_never_sealed_alike(with_keys):
    assert len({sealing.seal("ACUPA1234R", "pan") for _ in range(50)}) == 50


def test_a_value_moved_into_another_field_does_not_open(with_keys):
    with pytest.raises(sealing.CannotBeOpened):
        sealing.unseal(sealing.seal("ACUPA1234R", "pan"), "notes")


def test_no_changed_byte_goes_unnoticed(with_keys):
    sealed = sealing.seal("ACUPA1234R", "pan")
    head, _, content = sealed.rpartition(".")
    raw = base64.b64decode(content)
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1:]
        with pytest.raises(sealing.CannotBeOpened):
            sealing.unseal(f"{head}.{base64.b64encode(changed).decode()}", "pan")
    for cut in range(len(content)):
        with pytest.raises(sealing.CannotBeOpened):
            sealing.unseal(f"{head}.{content[:cut]}", "pan")


def test_an_older_key_opens_until_it_is_taken_away(with_keys):
    old, new = new_key(), new_key()
    with_keys(old)
    sealed, found_by = sealing.seal("secret", "pan"), sealing.indexes("ACUPA1234R", "pan")[0]
    with_keys(new, old)
    assert sealing.unseal(sealed, "pan") == "secret" and not sealing.is_current(sealed)
    assert found_by in sealing.indexes("ACUPA1234R", "pan") and found_by != sealing.indexes("ACUPA1234R", "pan")[0]
    with_keys(new)
    with pytest.raises(sealing.CannotBeOpened, match="lacks the key"):
        sealing.unseal(sealed, "pan")


def test_what_the_portal_sealed_in_its_first_form_opens(with_keys):
    key = new_key()
    with_keys(key)
    assert sealing.unseal(Fernet(key).encrypt(b"JBSWY3DPEHPK3PXP").decode()) == "JBSWY3DPEHPK3PXP"
    assert not sealing.is_current(Fernet(key).encrypt(b"x").decode())


def test_an_index_tells_values_and_purposes_apart_and_depends_on_the_key(with_keys):
    with_keys(new_key())
    here = sealing.indexes("ACUPA1234R", "pan")
    assert here == sealing.indexes("ACUPA1234R", "pan")
    assert not set(here) & {*sealing.indexes("ACUPA1234S", "pan"), *sealing.indexes("ACUPA1234R", "gstin")}
    with_keys(new_key())
    assert sealing.indexes("ACUPA1234R", "pan")[0] != here[0]
