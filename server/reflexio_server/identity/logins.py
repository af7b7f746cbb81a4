"""Who knows the password of which account: logins, and changes of one's own password.

Guessing is made slow: a password costs some hundredths of a second to compare; an answer leaves no
sooner than a quarter of a second after its request came; and failures are counted by client address and by email
address. Where an account was logged into from a client address within the last 90 days, the two together are counted
apart from all others: however many guess elsewhere, its owner gets in from there.

An attempt is about one account and never about several: else who administers an organisation could make an account of
anybody's address, and learn of the others by its own password. Where no organisation is named it is the oldest account.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from reflexio_server.access.caller import OPERATOR
from reflexio_server.access.keys import MOST_KEYS, new_key
from reflexio_server.access.network import network_of
from reflexio_server.access.passwords import Passwords
from reflexio_server.domain.access import AuditOutcome, Author, NewApiKey
from reflexio_server.domain.errors import TooManyCalls
from reflexio_server.domain.identity_errors import LoginRefused, TooManyApiKeys, TooManyLogins
from reflexio_server.store import accounts, api_keys, audit, login_limits
from reflexio_server.store.accounts import Candidate
from reflexio_server.store.database import Database
from reflexio_server.store.login_limits import Bucket, bucket_name

LEAST_SECONDS = 0.25
"""Failures are written down for an organisation or for none: the answer's time must not tell."""

PATIENCE = 2.0
"""For so many seconds at most an attempt waits for others of its address that may turn out right."""

_STEP_SECONDS = 0.2
_MOST_WAITING = 32
_KNOWN_SECONDS = 90 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody says who they are."""

    email: str
    """As it is stored."""
    password: str = field(repr=False)
    organization: str
    """The name of the organisation; empty where it was left open."""
    address: str
    """The client's network address; empty where it has none."""
    request_id: str
    seconds_left: float = math.inf
    """How long the caller waits for an answer."""

    @property
    def author(self) -> Author:
        """Who the audit trail says it was."""
        return Author(self.email, "password", self.address, self.request_id)


class Logins:
    """Compares passwords, and counts who is wrong."""

    def __init__(self, database: Database, passwords: Passwords, patience: float = PATIENCE) -> None:
        """`patience` is for how many seconds attempts wait for others that are under way."""
        self._database = database
        self._passwords = passwords
        self._patience = patience
        self._waiting = 0

    async def login(self, attempt: Attempt) -> tuple[Candidate, NewApiKey]:
        """Make a key for the account whose password is given.

        Raises:
            LoginRefused: The account of this address is disabled, or has another password, or there is none.
            TooManyLogins: Too many attempts failed; this one was not looked at.
            TooManyApiKeys: The account has as many keys as it may have.
        """
        async with self._verified(attempt, "login") as account:
            secret = new_key()
            async with self._database.direct(account.org_id) as connection, connection.transaction():
                key = await api_keys.create(
                    connection, account.org_id, account.account_id, secret, "login", account.role, MOST_KEYS
                )
                outcome = AuditOutcome.FAILED if key is None else AuditOutcome.DONE
                target = attempt.email if key is None else f"key {key.api_key_id}"
                await audit.record(connection, account.org_id, attempt.author, "login", target, outcome)
            if key is None:
                raise TooManyApiKeys(MOST_KEYS)
            return account, NewApiKey(secret, key)

    async def change_password(self, attempt: Attempt, new_password: str, *, revoke_keys: bool) -> int:
        """Give the account whose password is given another one. Returns how many keys were revoked.

        Raises:
            LoginRefused: The account of this address is disabled, or has another password, or there is none.
            TooManyLogins: Too many attempts failed; this one was not looked at.
        """
        async with self._verified(attempt, "change_password") as account:
            password_hash = await self._passwords.hash_of(new_password)
            whose = (account.org_id, account.account_id)
            async with self._database.direct(account.org_id) as connection, connection.transaction():
                await accounts.set_password(connection, *whose, password_hash)
                revoked = await api_keys.revoke_all(connection, *whose) if revoke_keys else 0
                await audit.record(connection, account.org_id, attempt.author, "change_password", attempt.email)
            return revoked

    @asynccontextmanager
    async def _verified(self, attempt: Attempt, action: str) -> AsyncIterator[Candidate]:
        """The account whose password is given; the block's end is held back until the time is over."""
        loop = asyncio.get_running_loop()
        not_before = loop.time() + LEAST_SECONDS
        # By the name that was given, so that it says nothing of accounts in other organisations.
        client = network_of(attempt.address)
        whose = (attempt.email, attempt.organization, client)
        known = bucket_name("known", *whose)
        if await login_limits.is_marked(self._database, known):
            buckets = [Bucket(bucket_name("place", *whose), size=10, seconds=60)]
        else:
            buckets = [
                Bucket(bucket_name("email", attempt.email), size=10, seconds=60),
                Bucket(bucket_name("client", client), size=50, seconds=10),
            ]
        await self._take(buckets, min(self._patience, attempt.seconds_left / 2))
        try:
            try:
                account = await self._account(attempt, action)
            except TooManyCalls:
                await login_limits.give_back(self._database, buckets)
                raise
            await login_limits.give_back(self._database, buckets)
            await login_limits.mark(self._database, known, _KNOWN_SECONDS)
            yield account
        finally:
            await asyncio.sleep(not_before - loop.time())

    async def _take(self, buckets: list[Bucket], patience: float) -> None:
        """Take an attempt from each bucket, also one that is given back within some seconds.

        Clients that start together log in together: each attempt counts until its password was compared.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while (seconds := await login_limits.take(self._database, buckets)) is not None:
            # Who floods us gets no more than so many calls to hold.
            if loop.time() + _STEP_SECONDS > until or self._waiting >= _MOST_WAITING:
                raise TooManyLogins(seconds)
            self._waiting += 1
            try:
                await asyncio.sleep(_STEP_SECONDS)
            finally:
                self._waiting -= 1

    async def _account(self, attempt: Attempt, action: str) -> Candidate:
        found = await accounts.candidate(self._database, attempt.email, attempt.organization)
        # Also where there is none, which takes as long.
        fits = await self._passwords.matches(attempt.password, None if found is None else found.password_hash)
        if found is None or not fits or found.disabled:
            await self._record_failure(attempt, found, action)
            raise LoginRefused
        if self._passwords.is_outdated(found.password_hash):
            renewed = await self._passwords.hash_of(attempt.password)
            async with self._database.direct(found.org_id) as connection:
                await accounts.set_password(connection, found.org_id, found.account_id, renewed)
        return found

    async def _record_failure(self, attempt: Attempt, found: Candidate | None, action: str) -> None:
        """Tell the organisation whose account it was about; of an unknown address the operator.

        What was typed as an unknown address may be anything, so it is not written down; and no more than so many a day
        are, for who guesses addresses could fill the table.
        """
        author = attempt.author
        if found is not None:
            async with self._database.direct(found.org_id) as connection:
                await audit.record(connection, found.org_id, author, action, attempt.email, AuditOutcome.FAILED)
            return
        unknown = Bucket(bucket_name("audit of unknown addresses"), size=100, seconds=60)
        if await login_limits.take(self._database, [unknown]) is not None:
            return
        nobody = replace(author, actor="unknown")
        async with self._database.direct(OPERATOR) as connection:
            await audit.record(connection, OPERATOR, nobody, action, "unknown address", AuditOutcome.FAILED)
