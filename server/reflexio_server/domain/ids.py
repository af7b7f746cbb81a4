"""The names of things. Distinct types, so that one is not passed where another is meant."""

from typing import NewType
from uuid import UUID, uuid4

OrgId = NewType("OrgId", int)
"""An organisation: the tenant whose data a caller sees."""

UserId = NewType("UserId", str)
"""A user of an organisation, as the application names them."""

RequestId = NewType("RequestId", UUID)
"""One publish. Made here."""

SessionId = NewType("SessionId", str)
"""A conversation, as the application names it. Empty stands for none."""

InteractionId = NewType("InteractionId", int)
"""One interaction. Given by the database; ids are not given in the order of commits."""


def new_request_id() -> RequestId:
    """A request id that nobody has."""
    return RequestId(uuid4())


NO_REQUEST = RequestId(UUID(int=0))
"""Stands for a text that cannot be the id of a request: nothing has it."""


def request_id_from(text: str) -> RequestId:
    """The request id that `text` writes out, or `NO_REQUEST`."""
    try:
        return RequestId(UUID(text))
    except ValueError:
        return NO_REQUEST
