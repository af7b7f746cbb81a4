"""API keys: how they are made, and what is kept of them."""

import hashlib
import re
import secrets
import string

_PREFIX = "rflx-"
_CHARACTERS = string.ascii_letters + string.digits
_LENGTH = 40
_FORM = re.compile(rf"{_PREFIX}[A-Za-z0-9]{{{_LENGTH}}}")
_SHOWN = 4

MOST_KEYS = 1000
"""How many keys an account may have that are not revoked: a program that logs in at each start makes one each time."""


def new_key() -> str:
    """A key that nobody has: 40 letters and digits from the system's source of randomness, which are 238 bits."""
    return _PREFIX + "".join(secrets.choice(_CHARACTERS) for _ in range(_LENGTH))


def is_key(text: str) -> bool:
    """Whether a text looks like a key."""
    return _FORM.fullmatch(text) is not None


def hash_of(key: str) -> bytes:
    """What is stored in place of a key, and looked up.

    A plain SHA-256: who has the hash would have to try 2^238 keys, and slow or salted hashing, which protects what
    people think up, would make each call slow instead.
    """
    return hashlib.sha256(key.encode()).digest()


def hint_of(key: str) -> str:
    """The beginning of a key, by which its owner knows it again; 214 bits of it stay unknown."""
    return key[: len(_PREFIX) + _SHOWN]
