"""Keys look as documented, differ, and are not to be found again from what is kept; addresses have one form."""

import hashlib

import pytest
from reflexio_server.access.email import normalized
from reflexio_server.access.keys import hash_of, hint_of, is_key, new_key


def test_keys_have_the_documented_form_and_differ():
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert is_key(key)
        assert key.startswith("rflx-")
        assert len(key) == 45
        assert key[5:].isalnum()
        assert key.isascii()
    assert len({character for key in keys for character in key[5:]}) == 62, "every letter and digit comes up"


@pytest.mark.parametrize("change", [str.upper, lambda key: key[:-1], lambda key: key + "a", lambda key: key[:-1] + "-"])
def test_other_texts_are_none(change):
    assert not is_key(change(new_key()))


def test_what_is_kept_is_a_hash_and_nine_characters():
    key = new_key()
    assert hash_of(key) == hashlib.sha256(key.encode()).digest()
    assert hint_of(key) == key[:9]


@pytest.mark.parametrize("text", ["Ana@Example.COM", " ana@example.com\n", "ana@example.com"])
def test_an_address_has_one_form(text: str):
    assert normalized(text) == "ana@example.com"


@pytest.mark.parametrize("text", ["", "ana", "a na@b.com", "ana@", "@b", "a@b@c", "ü@b.com", "a" * 250 + "@b.com"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(ValueError, match="no email address"):
        normalized(text)
