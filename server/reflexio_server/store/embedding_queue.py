"""The queue of interactions that are to be embedded. Its rows are leased, never owned: a lease that ran out is free."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Boolean, Float, Text

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.domain.interaction import searchable_text

MOST_ATTEMPTS = 3
"""How often a text is tried before it is set aside."""

RETRY_SECONDS = 1.0
"""How long a text is left alone after the first failure; four times as long after each further one."""

MOST_REASON = 500
"""How many characters of an error are kept."""


def _ids(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(BigInteger))


_SIZE = "octet_length(i.role) + octet_length(i.content) + octet_length(i.user_action_description)"

# Rows beyond what fits are locked, and free again as soon as the statement ends.
_LEASE_WHAT_FITS = f"""
    sized as (
        select i.org_id, i.interaction_id, i.role, i.content, i.user_action_description,
               row_number() over in_turn as place, sum({_SIZE}) over in_turn as total
        from free f join interactions i on i.org_id = f.org_id and i.interaction_id = f.interaction_id
        window in_turn as (order by f.turn, i.org_id, i.interaction_id)
    )
    update embedding_queue q set leased_until = now() + make_interval(secs => :lease_seconds)
    from sized s
    where q.org_id = s.org_id and q.interaction_id = s.interaction_id and (s.place = 1 or s.total <= :most_bytes)
    returning q.org_id, q.interaction_id, q.user_id, s.role, s.content, s.user_action_description
"""  # noqa: S608 -- the only thing put in is a constant.

_CLAIM = text(f"""
    with free as (
        select org_id, interaction_id, 1 as turn from embedding_queue
        where leased_until <= now() and set_aside_reason is null
        order by leased_until limit :count for update skip locked
    ), {_LEASE_WHAT_FITS}
""").bindparams(bindparam("lease_seconds", type_=Float))  # noqa: S608 -- as above.

# From user to user along the index, without reading what each of them has.
_OWNERS = text("""
    with recursive owners as (
        (select org_id, user_id from embedding_queue
         where (org_id, user_id) > (:org_id, :user_id) order by org_id, user_id limit 1)
        union all
        select next.org_id, next.user_id from owners o cross join lateral (
            select q.org_id, q.user_id from embedding_queue q
            where (q.org_id, q.user_id) > (o.org_id, o.user_id) order by q.org_id, q.user_id limit 1) next
    ) select org_id, user_id from owners limit :count
""").bindparams(bindparam("org_id", type_=BigInteger), bindparam("user_id", type_=Text))

_CLAIM_OF = text(f"""
    with free as (
        select f.org_id, f.interaction_id, row_number() over (partition by o.org_id, o.user_id) as turn
        from unnest(:org_ids, :user_ids) as o (org_id, user_id) cross join lateral (
            select q.org_id, q.interaction_id from embedding_queue q
            where q.org_id = o.org_id and q.user_id = o.user_id
              and q.leased_until <= now() and q.set_aside_reason is null
            order by q.leased_until limit :each for update skip locked) f
    ), {_LEASE_WHAT_FITS}
""").bindparams(  # noqa: S608 -- as above.
    bindparam("lease_seconds", type_=Float), _ids("org_ids"), bindparam("user_ids", type_=ARRAY(Text))
)

# What failed before is left alone until its time has come.
_READ = text(f"""
    with queued as (
        select interaction_id, user_id, leased_until <= now() or (:leased_too and attempts = 0) as free
        from embedding_queue
        where org_id = :org_id and interaction_id = any(:interaction_ids) and set_aside_reason is null
    ), sized as (
        select q.interaction_id, q.user_id, i.role, i.content, i.user_action_description,
               q.free and sum({_SIZE}) over (partition by q.free order by q.interaction_id desc) <= :most_bytes as fits
        from queued q join interactions i on i.org_id = :org_id and i.interaction_id = q.interaction_id
    )
    select interaction_id, user_id, fits,
           case when fits then role end as role,
           case when fits then content end as content,
           case when fits then user_action_description end as user_action_description
    from sized
""").bindparams(_ids("interaction_ids"), bindparam("leased_too", type_=Boolean))  # noqa: S608 -- as above.

_OF_USER = text("""
    select count(*) filter (where set_aside_reason is null) as waiting,
           count(set_aside_reason) filter (where failed_model is null) as set_aside,
           array(
               select interaction_id from embedding_queue
               where org_id = :org_id and user_id = :user_id and set_aside_reason is null
               order by interaction_id desc limit :newest) as newest
    from embedding_queue where org_id = :org_id and user_id = :user_id
""")

# Whoever has locked a row deletes it: a long deletion would hold up the renewal of everybody's leases.
_LEASE = text("""
    with free as (
        select org_id, interaction_id from embedding_queue
        where org_id = :org_id and interaction_id = any(:interaction_ids) for update skip locked
    )
    update embedding_queue q set leased_until = now() + make_interval(secs => :seconds)
    from free f where q.org_id = f.org_id and q.interaction_id = f.interaction_id
""").bindparams(_ids("interaction_ids"), bindparam("seconds", type_=Float))

_FAIL = text("""
    update embedding_queue
    set attempts = attempts + 1,
        leased_until = now() + make_interval(secs => :retry_seconds * 4 ^ attempts),
        set_aside_reason = case when attempts + 1 >= :most_attempts then :reason end
    where org_id = :org_id and interaction_id = :interaction_id and set_aside_reason is null
    returning set_aside_reason is not null
""").bindparams(bindparam("reason", type_=Text), bindparam("retry_seconds", type_=Float))


@dataclass(frozen=True, slots=True)
class QueuedText:
    """A text that is to be embedded."""

    org_id: OrgId
    user_id: UserId
    interaction_id: InteractionId
    text: str | None
    """None where it is not to be worked on now."""

    @property
    def owner(self) -> tuple[OrgId, UserId]:
        """Whose it is."""
        return self.org_id, self.user_id


@dataclass(frozen=True, slots=True)
class UserQueue:
    """What of one user's interactions is not embedded."""

    waiting: int
    set_aside: int
    newest: Sequence[InteractionId]
    """Those waiting, the newest first, not all of them where there are many."""


async def claim(connection: AsyncConnection, count: int, most_bytes: int, lease_seconds: float) -> Sequence[QueuedText]:
    """Lease what nobody works on, of any organisation, those that have waited longest first.

    Args:
        connection: Where to do it; one statement.
        count: How many at most.
        most_bytes: How long the texts may be together; one is taken even if it is longer.
        lease_seconds: For how long.
    """
    parameters = {"count": count, "most_bytes": most_bytes, "lease_seconds": lease_seconds}
    rows = await connection.execute(_CLAIM, parameters)
    return [_queued_text(OrgId(row.org_id), row) for row in rows]


async def owners(
    connection: AsyncConnection, after: tuple[OrgId, UserId], count: int
) -> Sequence[tuple[OrgId, UserId]]:
    """The next users who have rows in the queue, in the order of organisations and users."""
    parameters = {"org_id": after[0], "user_id": after[1], "count": count}
    return [(OrgId(row.org_id), UserId(row.user_id)) for row in await connection.execute(_OWNERS, parameters)]


async def claim_of(
    connection: AsyncConnection,
    owners: Collection[tuple[OrgId, UserId]],
    each: int,
    most_bytes: int,
    lease_seconds: float,
) -> Sequence[QueuedText]:
    """Lease what nobody works on of some users, those of each that have waited longest first.

    Args:
        connection: Where to do it; one statement.
        owners: Whose.
        each: How many of each user at most.
        most_bytes: How long the texts may be together, as for `claim`; the users' first texts are taken first.
        lease_seconds: For how long.
    """
    parameters = {
        "org_ids": [org_id for org_id, _ in owners],
        "user_ids": [user_id for _, user_id in owners],
        "each": each,
        "most_bytes": most_bytes,
        "lease_seconds": lease_seconds,
    }
    rows = await connection.execute(_CLAIM_OF, parameters)
    return [_queued_text(OrgId(row.org_id), row) for row in rows]


async def read(
    connection: AsyncConnection,
    org_id: OrgId,
    interaction_ids: Collection[InteractionId],
    most_bytes: int,
    *,
    leased_too: bool,
) -> Sequence[QueuedText]:
    """Those of the interactions that still wait, with the texts of those that may be worked on.

    Args:
        connection: Where to read; one statement.
        org_id: Whose.
        interaction_ids: Which.
        most_bytes: How long the texts may be together; the newest are read first.
        leased_too: Whether texts that some server has leased may be worked on.
    """
    parameters = {
        "org_id": org_id,
        "interaction_ids": list(interaction_ids),
        "most_bytes": most_bytes,
        "leased_too": leased_too,
    }
    rows = await connection.execute(_READ, parameters)
    return [
        _queued_text(org_id, row)
        if row.fits
        else QueuedText(org_id, UserId(row.user_id), InteractionId(row.interaction_id), None)
        for row in rows
    ]


async def of_user(connection: AsyncConnection, org_id: OrgId, user_id: UserId, newest: int) -> UserQueue:
    """What of this user's interactions is not embedded; of those waiting the `newest` by name."""
    row = (await connection.execute(_OF_USER, {"org_id": org_id, "user_id": user_id, "newest": newest})).one()
    return UserQueue(row.waiting, row.set_aside, row.newest)


async def lease(
    connection: AsyncConnection, org_id: OrgId, interaction_ids: Collection[InteractionId], seconds: float
) -> None:
    """Lease interactions for so long from now on; 0 gives them free."""
    parameters = {"org_id": org_id, "interaction_ids": list(interaction_ids), "seconds": seconds}
    await connection.execute(_LEASE, parameters)


async def fail(connection: AsyncConnection, org_id: OrgId, interaction_id: InteractionId, reason: str) -> bool:
    """Note that the model failed on an interaction: it is tried again after a while, and set aside at last.

    Returns:
        Whether it was set aside now.
    """
    parameters = {
        "org_id": org_id,
        "interaction_id": interaction_id,
        "most_attempts": MOST_ATTEMPTS,
        "retry_seconds": RETRY_SECONDS,
        "reason": reason.replace("\0", " ")[:MOST_REASON],
    }
    return bool((await connection.execute(_FAIL, parameters)).scalar_one_or_none())


def _queued_text(org_id: OrgId, row: Any) -> QueuedText:
    said = searchable_text(row.role, row.content, row.user_action_description)
    return QueuedText(org_id, UserId(row.user_id), InteractionId(row.interaction_id), said)
