"""How often logins may be tried, counted in Postgres for all replicas together.

A bucket holds so many attempts and gets one back every so many seconds. It is stored as the one moment up to which what
was taken will have come back (the generic cell rate algorithm), and so needs no row while it is full. Digests name the
buckets: what somebody types as an address may be anything, a password among it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried

_TAKE = """
    insert into login_limits as l (bucket, used_until) values ($1, now() + $2 * interval '1 second')
    on conflict (bucket) do update set used_until = greatest(l.used_until, now()) + $2 * interval '1 second'
        where l.used_until <= now() + $3 * interval '1 second'
    returning true
"""

_SECONDS_LEFT = "select extract(epoch from used_until - now())::float8 from login_limits where bucket = $1"

_GIVE_BACK = "update login_limits set used_until = used_until - $2 * interval '1 second' where bucket = $1"

_MARK = """
    insert into login_limits (bucket, used_until) values ($1, now() + $2 * interval '1 second')
    on conflict (bucket) do update set used_until = excluded.used_until
"""

_FORGET_FULL = """
    delete from login_limits where bucket in (
        select bucket from login_limits where used_until < now() limit 100 for update skip locked
    )
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What may be taken from how often."""

    name: bytes
    size: int
    """How many attempts it holds."""
    seconds: float
    """How long it takes until one comes back."""


def bucket_name(*parts: str) -> bytes:
    """The name of what these texts together stand for."""
    return hashlib.sha256("\0".join(parts).encode()).digest()


async def take(database: Database, buckets: Sequence[Bucket]) -> float | None:
    """Take an attempt from each bucket, or from none.

    Returns:
        None where each had one; else in how many seconds all of them will.
    """

    async def taken() -> float | None:
        async with database.direct(None) as connection:
            transaction = connection.transaction()
            await transaction.start()
            for bucket in _in_order(buckets):
                room = (bucket.size - 1) * bucket.seconds
                if await connection.fetchval(_TAKE, bucket.name, bucket.seconds, room) is None:
                    left: float = await connection.fetchval(_SECONDS_LEFT, bucket.name)
                    await transaction.rollback()
                    return max(left - room, 1.0)
            await transaction.commit()
        return None

    if (seconds := await retried(taken)) is None:
        await retried(lambda: _forget_full(database))
    return seconds


async def give_back(database: Database, buckets: Sequence[Bucket]) -> None:
    """Undo what `take` did."""

    async def given_back() -> None:
        async with database.direct(None) as connection, connection.transaction():
            for bucket in _in_order(buckets):
                await connection.execute(_GIVE_BACK, bucket.name, bucket.seconds)

    await retried(given_back)


async def mark(database: Database, name: bytes, seconds: float) -> None:
    """Let `is_marked` say so of a name, for so long."""
    async with database.direct(None) as connection:
        await connection.execute(_MARK, name, seconds)


async def is_marked(database: Database, name: bytes) -> bool:
    """Whether a name was marked, and that is not over."""
    async with database.direct(None) as connection:
        left = await connection.fetchval(_SECONDS_LEFT, name)
    return left is not None and left > 0


async def _forget_full(database: Database) -> None:
    # Not among the statements that take: behind a pooler it would keep what it deletes locked while they wait.
    async with database.direct(None) as connection:
        await connection.execute(_FORGET_FULL)


def _in_order(buckets: Sequence[Bucket]) -> Sequence[Bucket]:
    """In one order everywhere, so that nobody waits for each other."""
    return sorted(buckets, key=lambda bucket: bucket.name)
