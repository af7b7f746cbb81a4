"""Passwords are hashed with argon2id, and comparing takes as long where there is nothing to compare with."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import argon2
import pytest
from reflexio_server.access import passwords
from reflexio_server.access.passwords import Passwords
from reflexio_server.domain.errors import TooManyCalls


@pytest.fixture
def hashing() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


def test_the_parameters_are_those_that_owasp_asks_for():
    asked = argon2.Parameters(argon2.Type.ID, 19, 16, 32, time_cost=2, memory_cost=19_456, parallelism=1)
    # The test run makes them cheap and changes nothing else.
    assert replace(passwords.PARAMETERS, time_cost=2, memory_cost=19_456) == asked
    program = (
        "from reflexio_server.access import passwords; p = passwords.PARAMETERS; print(p.time_cost, p.memory_cost)"
    )
    assert _printed(program) == "2 19456"


def _printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


async def test_a_hash_is_argon2id_with_a_salt_of_its_own(hashing: Passwords):
    one, other = await hashing.hash_of("correct horse"), await hashing.hash_of("correct horse")
    assert one.startswith("$argon2id$v=19$")
    assert one != other
    assert "correct" not in one


async def test_only_the_password_matches(hashing: Passwords):
    kept = await hashing.hash_of("Grüße aus Köln")
    assert await hashing.matches("Grüße aus Köln", kept)
    assert await hashing.matches("Gru\u0308ße aus Ko\u0308ln", kept), "composed otherwise"
    for wrong in ("Grüße aus Koeln", "grüße aus köln", "", "Grüße aus Köln ", kept):
        assert not await hashing.matches(wrong, kept)
    assert not await hashing.matches("Grüße aus Köln", "no hash at all")


async def test_nobody_s_password_is_compared_and_never_right(hashing: Passwords, monkeypatch: pytest.MonkeyPatch):
    compared = []
    verify = argon2.PasswordHasher.verify

    def watched(hasher: argon2.PasswordHasher, password_hash: str, password: bytes) -> bool:
        compared.append(argon2.extract_parameters(password_hash))
        return verify(hasher, password_hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    for password in ("anything", ""):
        assert not await hashing.matches(password, None)
    assert compared == [passwords.PARAMETERS] * 2, "with as much work as anybody's"


async def test_hashes_of_other_parameters_are_outdated(hashing: Passwords):
    dearer = argon2.PasswordHasher.from_parameters(replace(passwords.PARAMETERS, time_cost=3))
    assert hashing.is_outdated(dearer.hash("x"))
    assert not hashing.is_outdated(await hashing.hash_of("x"))


async def test_beyond_so_many_at_once_they_are_refused(hashing: Passwords):
    results = await asyncio.gather(*(hashing.hash_of("x") for _ in range(40)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, TooManyCalls)]
    assert len(refused) == 8
    assert isinstance(await hashing.hash_of("x"), str), "and then there is room again"
