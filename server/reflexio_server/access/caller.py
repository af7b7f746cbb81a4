"""The caller: whose data a call sees, and what it may do. Taken from the credential, never from a message."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto

from reflexio_server.domain.ids import OrgId


class AccessRole(Enum):
    """What a caller may do."""

    READER = auto()
    MEMBER = auto()
    ADMIN = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    org_id: OrgId
    org_name: str
    role: AccessRole


LOCAL_CALLER = Caller(OrgId(1), "default", AccessRole.ADMIN)
"""Everybody, where authentication is off: whoever can reach the server owns it."""

current_caller: ContextVar[Caller] = ContextVar("current_caller")
"""The caller of the call in progress."""
