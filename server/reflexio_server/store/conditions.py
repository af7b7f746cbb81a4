"""Which interactions to consider, as SQL: conditions that are built once, and the parameters of a query."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, tuple_
from sqlalchemy.sql.elements import ColumnElement

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.store.tables import interactions

POSITION = tuple_(interactions.c.created_at, interactions.c.interaction_id)
"""The place of an interaction in the order of time."""

_BY_PARAMETER: dict[str, ColumnElement[bool]] = {
    "org_id": interactions.c.org_id == bindparam("org_id"),
    "user_id": interactions.c.user_id == bindparam("user_id"),
    "request_id": interactions.c.request_id == bindparam("request_id"),
    "session_id": interactions.c.session_id == bindparam("session_id"),
    "role": interactions.c.role == bindparam("role"),
    "source": interactions.c.source == bindparam("source"),
    "start_time": interactions.c.created_at >= bindparam("start_time"),
    "end_time": interactions.c.created_at <= bindparam("end_time"),
    "not_before_time": tuple_(bindparam("not_before_time"), bindparam("not_before_id")) <= POSITION,
}


def parameters_of(
    org_id: OrgId, user_id: UserId | None, where: InteractionFilter, not_before: Position | None
) -> dict[str, Any]:
    """The parameters of those conditions that are given; their names say which.

    `where.most_recent_k` is not looked at: its place is taken by `not_before`.
    """
    not_before_time, not_before_id = not_before or (None, None)
    values = {
        "org_id": org_id,
        "user_id": user_id,
        "request_id": where.request_id,
        "session_id": where.session_id,
        "role": where.role,
        "source": where.source,
        "start_time": where.start_time,
        "end_time": where.end_time,
        "not_before_time": not_before_time,
        "not_before_id": not_before_id,
    }
    return {name: value for name, value in values.items() if value is not None}


def conditions_on(parameters: Iterable[str]) -> list[ColumnElement[bool]]:
    """What the columns of `interactions` must fulfil, where these parameters are given."""
    return [_BY_PARAMETER[name] for name in parameters if name in _BY_PARAMETER]
