"""Which embedding model is active, which is being built, and who works on that.

Whoever writes vectors calls `writing_with` first, in the same transaction: it takes a lock that many hold together and
that excludes `alone`. So between the lock and the commit of whoever is alone no vector is on its way.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Float

from reflexio_server.domain.errors import ReindexUnderWay
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import retried
from reflexio_server.store.reach import Purpose

ACTIVE, BUILDING, RETIRED = "active", "building", "retired"

_LOCK = 7_263_541_881
"""An advisory lock that nobody else takes. It ends with the transaction, so that pgbouncer may stand in between."""

_SHARE = text("select pg_advisory_xact_lock_shared(:lock)")
_EXCLUDE = text("select pg_advisory_xact_lock(:lock)")
_ACTIVE = text("select model from embedding_models where state = 'active'")
_ALL = text("""
    select model, dimension, state, started_at, done_count, total_count, failed_count
    from embedding_models order by model
""")
_FIRST = text("""
    insert into embedding_models (model, dimension, state, started_at)
    select :model, :dimension, 'active', :now
    where not exists (select from embedding_models where state = 'active')
""")

# The vectors of an earlier attempt, as far as they are not removed yet, are as good as new ones: texts never change.
_BEGIN = text("""
    insert into embedding_models as m (model, dimension, state, started_at, total_count, complete_up_to)
    values (:model, :dimension, 'building', :now, :total, nextval('user_versions_sequence'))
    on conflict (model) do update
    set dimension = excluded.dimension, state = 'building', started_at = excluded.started_at, done_count = 0,
        total_count = excluded.total_count, failed_count = 0, walked_org_id = 0, walked_interaction_id = 0,
        is_walked = false, complete_up_to = excluded.complete_up_to, lease_token = m.lease_token + 1,
        leased_until = now()
""")
_COUNT = text("""
    select count(*) from vectors v
    where v.chunk = 0 and v.model = (select model from embedding_models where state = 'active')
""")
_RETIRE = text("""
    update embedding_models set state = 'retired', lease_token = lease_token + 1, leased_until = now()
    where state = 'building' and (:token = 0 or lease_token = :token) returning model
""")
_FORGET_FAILURES = text("delete from embedding_queue where failed_model is not null")

_CLAIM = text("""
    update embedding_models
    set lease_token = lease_token + 1, leased_until = now() + make_interval(secs => :seconds)
    where model = :model and state = :state and leased_until <= now()
    returning model, dimension, lease_token, walked_org_id, walked_interaction_id, is_walked, complete_up_to
""").bindparams(bindparam("seconds", type_=Float))
_RENEW = text("""
    update embedding_models set leased_until = now() + make_interval(secs => :seconds)
    where model = :model and lease_token = :token
""").bindparams(bindparam("seconds", type_=Float))


class ModelRetired(Exception):
    """Vectors are of no use any more: another model is active than the one that made them."""


class LeaseLost(Exception):
    """Somebody else works on it now, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of which there are or will be vectors."""

    name: str
    dimension: int
    state: str
    """`ACTIVE`, `BUILDING` or `RETIRED`."""
    started_at: int
    """Nanoseconds since the epoch."""
    done: int
    total: int
    """How many interactions the building has been over, of how many; both grow by what is published meanwhile."""
    failed: int
    """On how many of them the model failed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a model, until it runs out."""

    model: str
    dimension: int
    token: int
    walked_to: tuple[int, int]
    """Organisation and interaction up to which the first walk came."""
    is_walked: bool
    complete_up_to: int


async def all_known(connection: AsyncConnection) -> Sequence[KnownModel]:
    """All models: one active one, unless no server has ever started here."""
    return [KnownModel(*row) for row in await connection.execute(_ALL)]


async def writing_with(connection: AsyncConnection, model: str) -> None:
    """Make sure that `model` stays active to the end of the transaction, whose first call this must be.

    Raises:
        ModelRetired: Another one is active.
    """
    await connection.execute(_SHARE, {"lock": _LOCK})
    # A statement of its own: its snapshot is younger than the lock.
    if (active := await active_model(connection)) not in {None, model}:
        raise ModelRetired(active)


async def alone(connection: AsyncConnection) -> None:
    """Wait until nobody is writing vectors, and let nobody begin before the end of the transaction."""
    await connection.execute(_EXCLUDE, {"lock": _LOCK})


async def active_model(connection: AsyncConnection) -> str | None:
    """The name of the active model; None where no server has ever started."""
    return (await connection.execute(_ACTIVE)).scalar_one_or_none()


async def activate_first(database: Database, model: str, dimension: int) -> None:
    """Make `model` the active one where there is none yet."""

    async def work() -> None:
        async with database.transaction(None) as connection:
            await alone(connection)
            await connection.execute(_FIRST, {"model": model, "dimension": dimension, "now": time.time_ns()})
            await connection.commit()

    await retried(work)


async def begin(database: Database, model: str, dimension: int) -> None:
    """Have `model` built. Nothing happens where it is being built or active.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached; repeating it is safe.
        ReindexUnderWay: Another one is being built.
    """
    async with database.autocommit(Purpose.REINDEXING) as connection:
        total = (await connection.execute(_COUNT)).scalar_one()

    async def work() -> None:
        async with database.transaction(None) as connection:
            await alone(connection)
            states = {known.state: known.name for known in await all_known(connection)}
            if (building := states.get(BUILDING)) not in {None, model}:
                raise ReindexUnderWay(str(building))
            if building is not None or states.get(ACTIVE) == model:
                return
            values = {"model": model, "dimension": dimension, "now": time.time_ns(), "total": total}
            await connection.execute(_BEGIN, values)
            await connection.commit()

    await retried(work)


async def cancel(database: Database, token: int = 0) -> str | None:
    """Give up what is being built; its vectors are removed later.

    Args:
        database: Where.
        token: Only if this is the lease's; 0 for whoever works on it.

    Returns:
        The name of the model that was being built; None where none was.
    """

    async def work() -> str | None:
        async with database.transaction(Purpose.REINDEXING) as connection:
            await alone(connection)
            model: str | None = (await connection.execute(_RETIRE, {"token": token})).scalar_one_or_none()
            if model is not None:
                await connection.execute(_FORGET_FAILURES)
            await connection.commit()
        return model

    return await retried(work)


async def claim(connection: AsyncConnection, model: str, state: str, seconds: float) -> Lease | None:
    """Lease the work on a model in that state; None where somebody else has it or the state is another."""
    values = {"model": model, "state": state, "seconds": seconds}
    row = (await connection.execute(_CLAIM, values)).one_or_none()
    return _lease(row) if row is not None else None


async def renew(connection: AsyncConnection, lease: Lease, seconds: float) -> None:
    """Hold the lease for so long from now on; 0 gives it free.

    Raises:
        LeaseLost: It is somebody else's.
    """
    key = {"model": lease.model, "token": lease.token}
    if (await connection.execute(_RENEW, key | {"seconds": seconds})).rowcount == 0:
        raise LeaseLost


async def fenced(connection: AsyncConnection, lease: Lease, statement: TextClause, **values: int) -> None:
    """Execute a statement that changes the row of the lease, by its `model` and `token`.

    Raises:
        LeaseLost: It is somebody else's; nothing was changed.
    """
    key = {"model": lease.model, "token": lease.token}
    if (await connection.execute(statement, key | values)).rowcount == 0:
        raise LeaseLost


def _lease(row: Any) -> Lease:
    return Lease(
        model=row.model,
        dimension=row.dimension,
        token=row.lease_token,
        walked_to=(row.walked_org_id, row.walked_interaction_id),
        is_walked=row.is_walked,
        complete_up_to=row.complete_up_to,
    )
