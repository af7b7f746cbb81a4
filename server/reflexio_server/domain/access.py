"""Organisations, accounts and keys as values. Moments are nanoseconds since the epoch."""

from dataclasses import dataclass, field
from enum import Enum

from reflexio_server.domain.ids import OrgId


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant."""

    org_id: OrgId
    name: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who belongs to an organisation."""

    org_id: OrgId
    account_id: int
    email: str
    role: int
    created_at: int
    disabled_at: int | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key."""

    api_key_id: int
    name: str
    hint: str
    role: int
    account_email: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was made just now."""

    secret: str = field(repr=False)
    """The key itself; nobody else has it."""
    key: ApiKey


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """A URI that stands for an organisation."""

    certificate_identity_id: int
    uri: str
    org_id: OrgId
    org_name: str
    role: int
    created_at: int


class AuditOutcome(Enum):
    """How an act that was recorded ended."""

    ATTEMPTED = "attempted"
    """It was about to be done. Another event of the same request says how it ended."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Author:
    """Who does something that is recorded, and from where."""

    actor: str
    credential: str
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act of somebody."""

    event_id: int
    occurred_at: int
    author: Author
    action: str
    target: str
    outcome: AuditOutcome
