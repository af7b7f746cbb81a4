"""The caller: whose data a call sees, and what it may do. Taken from the credential, never from a message."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from reflexio_server.domain.ids import OrgId

OPERATOR = OrgId(1)
"""The organisation that every database begins with. Its administrators are those of the whole service."""


class AccessRole(IntEnum):
    """What a caller may do: each role may do what those before it may. The numbers are stored."""

    READER = 1
    MEMBER = 2
    ADMIN = 3


class CredentialKind(StrEnum):
    """By what a caller was known."""

    NONE = "none"
    """By nothing: authentication is off, or the call needs none."""
    API_KEY = "api_key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a call."""

    org_id: OrgId
    org_name: str
    role: AccessRole
    credential_kind: CredentialKind = CredentialKind.NONE
    credential_id: str = ""
    """Which credential it was: the number of a key, the URI of a certificate. No secret."""
    account_id: int | None = None
    """The account to which the key belongs; None where the caller has none."""
    subject: str = field(default="local", repr=False)
    """Who it is, for people: an address, a URI, or `local`."""

    @property
    def is_operator(self) -> bool:
        """Whether it administers the whole service, not only its organisation."""
        return self.org_id == OPERATOR and self.role is AccessRole.ADMIN

    @property
    def credential(self) -> str:
        """The credential in one word, the same for all its calls and for no other's: `api_key:7`."""
        return f"{self.credential_kind}:{self.credential_id}"


LOCAL_CALLER = Caller(OPERATOR, "default", AccessRole.ADMIN)
"""Everybody, where authentication is off: whoever can reach the server owns it."""

NOBODY = Caller(OrgId(0), "", AccessRole.READER, subject="nobody")
"""Who makes a call that needs no credential, where others do. There is no organisation 0."""

current_caller: ContextVar[Caller] = ContextVar("current_caller")
"""The caller of the call in progress."""
