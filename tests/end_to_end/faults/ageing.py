"""Time that passes, as far as Postgres knows: what was published a moment ago becomes older than the age limit."""

import asyncio

import asyncpg

from tests.end_to_end.faults.publications import KEPT_SINCE, Publication

_TIMEOUT_SECONDS = 5
_AGE = f"update requests set created_at = {(KEPT_SINCE - 1) * 10**9} where agent_version = $1"
_FAULTS = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    OSError,
)
"""What Postgres, or its absence, answers with while things break."""


def make_too_old(postgres: dict[str, str], publication: Publication) -> int | None:
    """Have it stored long ago. Returns how many requests it has; None where Postgres does not say that it is done.

    Args:
        postgres: Where it is: `host` and `database`.
        publication: What was published.
    """
    try:
        return asyncio.run(_make_too_old(postgres, publication.tag))
    except _FAULTS:
        return None


async def _make_too_old(postgres: dict[str, str], tag: str) -> int:
    connection = await asyncpg.connect(
        **postgres, user="postgres", timeout=_TIMEOUT_SECONDS, command_timeout=_TIMEOUT_SECONDS
    )
    try:
        status = await connection.execute(_AGE, tag)
    finally:
        connection.terminate()
    return int(status.split()[-1])
