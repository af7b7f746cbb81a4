"""Who knows the password of which account: logins, and changes of one's own password.

Guessing is made slow: a password costs some hundredths of a second to compare; an answer leaves no
sooner than a quarter of a second after its request came; and failures are counted by client address and by email
address. Where an account was logged into from a client address within the last 90 days, the two together are counted
apart from all others: however many guess elsewhere, its owner gets in from there.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from reflexio_server.access.caller import OPERATOR
from reflexio_server.access.keys import MOST_KEYS, new_key
from reflexio_server.access.passwords import Passwords
from reflexio_server.domain.access import AuditOutcome, Author, NewApiKey
from reflexio_server.domain.identity_errors import LoginRefused, OrganizationNeeded, TooManyApiKeys, TooManyLogins
from reflexio_server.store import accounts, api_keys, audit, login_limits
from reflexio_server.store.accounts import Candidate
from reflexio_server.store.database import Database
from reflexio_server.store.login_limits import Bucket, bucket_name

LEAST_SECONDS = 0.25
"""An address may have accounts in several organisations, and each is compared: the answer's time must not tell."""

_MOST_CANDIDATES = 8
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

    @property
    def network(self) -> str:
        """What counts as one client: its address, or the /64 that one customer has many IPv6 addresses of."""
        if ":" not in self.address:
            return self.address
        return str(ipaddress.IPv6Network((self.address, 64), strict=False).network_address)

    @property
    def author(self) -> Author:
        """Who the audit trail says it was."""
        return Author(self.email, "password", self.address, self.request_id)


class Logins:
    """Compares passwords, and counts who is wrong."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def login(self, attempt: Attempt) -> tuple[Candidate, NewApiKey]:
        """Make a key for the account whose password is given.

        Raises:
            LoginRefused: There is no account of this address with this password that is not disabled.
            OrganizationNeeded: There are several.
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
            LoginRefused: There is no account of this address with this password that is not disabled.
            OrganizationNeeded: There are several.
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
        known = bucket_name("known", attempt.email, attempt.network)
        buckets = await self._buckets(attempt, known)
        if (seconds := await login_limits.take(self._database, buckets)) is not None:
            raise TooManyLogins(seconds)
        try:
            found = await accounts.candidates(self._database, attempt.email, attempt.organization, _MOST_CANDIDATES)
            account = await self._only_one(attempt, found, action)
            await login_limits.give_back(self._database, buckets)
            await login_limits.mark(self._database, known, _KNOWN_SECONDS)
            yield account
        finally:
            await asyncio.sleep(not_before - loop.time())

    async def _buckets(self, attempt: Attempt, known: bytes) -> Sequence[Bucket]:
        if await login_limits.is_marked(self._database, known):
            return [Bucket(bucket_name("place", attempt.email, attempt.network), size=10, seconds=30)]
        return [
            Bucket(bucket_name("email", attempt.email), size=10, seconds=60),
            Bucket(bucket_name("client", attempt.network), size=50, seconds=10),
        ]

    async def _only_one(self, attempt: Attempt, found: Sequence[Candidate], action: str) -> Candidate:
        # All of them, also after one that fits, and one where there is none.
        fits = [await self._passwords.matches(attempt.password, candidate.password_hash) for candidate in found]
        if not found:
            await self._passwords.matches(attempt.password, None)
        right = [candidate for candidate, fit in zip(found, fits, strict=True) if fit and not candidate.disabled]
        if not right:
            await self._record_failure(attempt, found, action)
            raise LoginRefused
        if len(right) > 1:
            raise OrganizationNeeded
        [account] = right
        if self._passwords.is_outdated(account.password_hash):
            renewed = await self._passwords.hash_of(attempt.password)
            async with self._database.direct(account.org_id) as connection:
                await accounts.set_password(connection, account.org_id, account.account_id, renewed)
        return account

    async def _record_failure(self, attempt: Attempt, found: Sequence[Candidate], action: str) -> None:
        """Tell the organisations whose account it may have been about; of an unknown address the operator.

        What was typed as an unknown address may be anything, so it is not written down; and no more than so many a day
        are, for who guesses addresses could fill the table.
        """
        author = attempt.author
        for candidate in found:
            async with self._database.direct(candidate.org_id) as connection:
                await audit.record(connection, candidate.org_id, author, action, attempt.email, AuditOutcome.FAILED)
        unknown = Bucket(bucket_name("audit of unknown addresses"), size=100, seconds=60)
        if found or await login_limits.take(self._database, [unknown]) is not None:
            return
        nobody = replace(author, actor="unknown")
        async with self._database.direct(OPERATOR) as connection:
            await audit.record(connection, OPERATOR, nobody, action, "unknown address", AuditOutcome.FAILED)
