"""Passwords: hashed with argon2id, beside the event loop, one at a time."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

from reflexio_server.domain.errors import TooManyCalls

T = TypeVar("T")

SHORTEST = 12
"""Characters of a new password, as the contract has it."""

PARAMETERS = argon2.Parameters(
    type=argon2.Type.ID,
    version=argon2.low_level.ARGON2_VERSION,
    salt_len=16,
    hash_len=32,
    time_cost=2,
    memory_cost=19_456,
    parallelism=1,
)
"""What OWASP's password storage cheat sheet asks for. A hash says with which parameters it was made, so they may grow:
who logs in is hashed anew."""

_MOST_WAITING = 32


class Passwords:
    """Hashes and compares, one after the other: whoever asks without end gets one processor and no more."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(PARAMETERS)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0
        # What is compared with where there is no account: it takes as long, and nobody has this password.
        self._nobody = self._hasher.hash(b"")

    async def hash_of(self, password: str) -> str:
        """What is stored in place of a password: the hash with its salt and parameters.

        Raises:
            TooManyCalls: Too many others are being hashed.
        """
        return await self._beside(lambda: self._hasher.hash(_bytes_of(password)))

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether a password is the one that was hashed; None stands for an account that does not exist.

        Raises:
            TooManyCalls: Too many others are being hashed.
        """

        def compare() -> bool:
            try:
                same = self._hasher.verify(password_hash or self._nobody, _bytes_of(password))
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False
            return same and password_hash is not None

        return await self._beside(compare)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """End the threads, when what they are doing is done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise TooManyCalls("logins", _MOST_WAITING)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _bytes_of(password: str) -> bytes:
    """The same bytes for what looks the same, however a keyboard composes it (RFC 8265)."""
    return unicodedata.normalize("NFC", password).encode()
