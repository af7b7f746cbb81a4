"""Reading interactions: by id, or in order of time."""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Text, and_, cast, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from reflexio_server.domain.ids import InteractionId, OrgId, RequestId, UserId
from reflexio_server.domain.interaction import Image, Interaction, InteractionFilter, Position, ToolUse, UserAction
from reflexio_server.store.conditions import POSITION, conditions_on, parameters_of
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.statement import Statement
from reflexio_server.store.tables import images, interactions
from reflexio_server.store.user_state import USER_STATE_COLUMNS, UserState

_TEXTS = (
    interactions.c.role,
    interactions.c.content,
    interactions.c.shadow_content,
    interactions.c.expert_content,
    interactions.c.user_action_description,
    interactions.c.interacted_image_url,
)
_COLUMNS = [interactions.c[name] for name in Interaction._fields if name != "image"]
_ACTION, _TOOLS = (Interaction._fields.index(name) for name in ("user_action", "tools_used"))
_STATE_WIDTH = len(UserState._fields)
_ACTIONS = {action.value: action for action in UserAction}


def _statements(condition: str, source: str = "", beside: str = "") -> dict[bool, Statement]:
    """What reads the interactions that fulfil `condition`, without and with images; before them what is `beside`."""
    columns = beside + ", ".join(f"i.{column.name}" for column in _COLUMNS)
    joined = "left join images p on p.org_id = i.org_id and p.interaction_id = i.interaction_id"
    types = {"org_id": "bigint", "user_id": "text", "ids": "bigint[]", "request_ids": "uuid[]"}
    sql = """
        select {columns} from {source} interactions i {joined}
        where i.org_id = :org_id and {condition}
    """
    return {
        False: Statement(sql.format(columns=columns, source=source, joined="", condition=condition), types),
        True: Statement(
            sql.format(columns=f"{columns}, p.media_type, p.data", source=source, joined=joined, condition=condition),
            types,
        ),
    }


# Not "= any": without fresh statistics Postgres then looks through an index that begins with something else.
_BY_ID = _statements(
    "i.interaction_id = wanted.interaction_id",
    "unnest(:ids) as wanted (interaction_id) cross join",
    beside=f"{USER_STATE_COLUMNS},",
)
_OF_REQUESTS = _statements("i.request_id = any(:request_ids) order by i.interaction_id")


async def fetch(
    connection: DirectConnection,
    org_id: OrgId,
    user_id: UserId,
    interaction_ids: Iterable[InteractionId],
    *,
    with_images: bool,
) -> tuple[Mapping[InteractionId, Interaction], UserState | None]:
    """The interactions of a user with these ids; those that do not exist are missing.

    With them comes the state of the user at that moment, which takes no statement of its own; None where nothing was
    found.
    """
    statement = _BY_ID[with_images]
    values = {"org_id": org_id, "user_id": user_id, "ids": list(interaction_ids)}
    rows = await connection.fetch(statement.sql, *statement.arguments(values))
    found = [_interaction(row[_STATE_WIDTH:]) for row in rows]
    state = UserState(*rows[0][:_STATE_WIDTH]) if rows else None
    return {interaction.interaction_id: interaction for interaction in found}, state


async def newest(
    connection: AsyncConnection,
    org_id: OrgId,
    user_id: UserId | None,
    where: InteractionFilter,
    limit: int,
    *,
    after: Position | None = None,
    with_images: bool = False,
    most_bytes: int,
) -> tuple[Sequence[Interaction], bool]:
    """Interactions, the newest first, and whether more follow.

    Args:
        connection: Where to read.
        org_id: Whose.
        user_id: Of which user; None for every user.
        where: Which to consider.
        limit: How many at most.
        after: Go on behind this position.
        with_images: Whether to read images too.
        most_bytes: Stop before texts and images together exceed this, but not before the first.
    """
    not_before = await oldest_of_most_recent(connection, org_id, user_id, where.most_recent_k)
    parameters = parameters_of(org_id, user_id, where, not_before)
    conditions = conditions_on(parameters)
    if after is not None:
        conditions.append(tuple_(*after) > POSITION)
    newest_first = (interactions.c.created_at.desc(), interactions.c.interaction_id.desc())
    size = _size(with_images)
    page = (
        _selected(with_images)
        .add_columns(
            func.sum(size).over(order_by=newest_first).label("total"),
            func.row_number().over(order_by=newest_first).label("place"),
        )
        .where(*conditions)
        .order_by(*newest_first)
        .limit(limit + 1)
        .subquery()
    )
    # The last row of all tells whether more follow: it is either beyond the limit or beyond what fits.
    last = select(func.max(page.c.place)).scalar_subquery().label("last")
    columns = [column for column in page.c if column.name not in {"total", "place"}]
    query = (
        select(*columns, last)
        .where(page.c.place <= limit, or_(page.c.total <= most_bytes, page.c.place == 1))
        .order_by(page.c.place)
    )
    rows = (await connection.execute(query, parameters)).all()
    return [_interaction(row[:-1]) for row in rows], bool(rows) and rows[0].last > len(rows)


async def sizes(
    connection: AsyncConnection, org_id: OrgId, interaction_ids: Iterable[InteractionId], *, with_images: bool
) -> Mapping[InteractionId, int]:
    """How many bytes each of these interactions has; those that do not exist are missing."""
    query = _joined(select(interactions.c.interaction_id, _size(with_images).label("size")), with_images).where(
        interactions.c.org_id == org_id, interactions.c.interaction_id.in_(list(interaction_ids))
    )
    return {InteractionId(row.interaction_id): row.size for row in await connection.execute(query)}


async def of_requests(
    connection: DirectConnection | AsyncConnection,
    org_id: OrgId,
    request_ids: Iterable[RequestId],
    *,
    with_images: bool,
) -> Sequence[Interaction]:
    """All interactions of some requests, in the order in which they were published."""
    return await _read(connection, _OF_REQUESTS[with_images], {"org_id": org_id, "request_ids": list(request_ids)})


async def _read(
    connection: DirectConnection | AsyncConnection, statement: Statement, values: Mapping[str, Any]
) -> list[Interaction]:
    arguments = statement.arguments(values)
    rows: Iterable[Sequence[Any]]
    if isinstance(connection, AsyncConnection):  # That of a snapshot, or of a call that sends other statements too.
        rows = await connection.exec_driver_sql(statement.sql, arguments)
    else:
        rows = await connection.fetch(statement.sql, *arguments)
    return [_interaction(row) for row in rows]


async def oldest_of_most_recent(
    connection: AsyncConnection, org_id: OrgId, user_id: UserId | None, most_recent_k: int | None
) -> Position | None:
    """Where the user's `most_recent_k` newest interactions begin; None where all of them belong."""
    if most_recent_k is None:
        return None
    parameters = parameters_of(org_id, user_id, InteractionFilter(), None)
    query = (
        select(interactions.c.created_at, interactions.c.interaction_id)
        .where(*conditions_on(parameters))
        .order_by(interactions.c.created_at.desc(), interactions.c.interaction_id.desc())
        .offset(most_recent_k - 1)
        .limit(1)
    )
    row = (await connection.execute(query, parameters)).one_or_none()
    return (row.created_at, InteractionId(row.interaction_id)) if row is not None else None


def _selected(with_images: bool) -> Select[Any]:
    pictures = (images.c.media_type, images.c.data) if with_images else ()
    return _joined(select(*_COLUMNS, *pictures), with_images)


def _joined(query: Select[Any], with_images: bool) -> Select[Any]:
    if not with_images:
        return query
    picture = and_(images.c.org_id == interactions.c.org_id, images.c.interaction_id == interactions.c.interaction_id)
    return query.select_from(interactions.outerjoin(images, picture))


def _size(with_images: bool) -> ColumnElement[int]:
    texts = [*_TEXTS, cast(interactions.c.tools_used, Text)]
    if with_images:
        texts.append(images.c.data)
    return functools.reduce(operator.add, (func.coalesce(func.octet_length(text), 0) for text in texts))


def _interaction(row: Sequence[Any]) -> Interaction:
    """The interaction in a row of `_COLUMNS`, with its picture behind where that was asked for."""
    values = list(row[: len(_COLUMNS)])
    values[_ACTION] = _ACTIONS[values[_ACTION]]
    values[_TOOLS] = tuple([ToolUse(**tool) for tool in values[_TOOLS] or ()])
    picture = row[len(_COLUMNS) :]
    image = Image(picture[1], picture[0]) if picture and picture[1] is not None else None
    return Interaction._make((*values, image))
