"""Who may call: keys, accounts, organisations, and what they did."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class ApiKey:
    """What is known of a key: everything but the key."""

    api_key_id: int
    name: str
    hint: str
    """Its first nine characters."""
    role: str
    """`reader`, `member` or `admin`: what it may do, unless its account may do less."""
    account_email: str
    created_at: int
    """Seconds since the epoch, as the other times here."""
    last_used_at: int | None = None
    """To the hour; None where it never was used."""
    revoked_at: int | None = None
    """None while it is valid."""


@dataclass(slots=True, kw_only=True)
class LoginToken:
    """What a login gives. The client has the key already; keep it, and the next login can be saved."""

    success: bool = True
    api_key: str = field(repr=False)
    """The key. It does not expire, and is shown this once."""
    key: ApiKey | None
    """What is known of it; None where authentication is off and the key is worth nothing."""
    organization_id: int
    organization_name: str


@dataclass(slots=True, kw_only=True)
class CreateApiKeyResponse:
    """A key that was made just now."""

    success: bool = True
    api_key: str = field(repr=False)
    """The key. It does not expire, and is shown this once."""
    key: ApiKey


@dataclass(slots=True, kw_only=True)
class ChangePasswordResponse:
    """The password was changed."""

    success: bool = True
    revoked_api_keys_count: int


@dataclass(slots=True, kw_only=True)
class Account:
    """Somebody who belongs to an organisation."""

    account_id: int
    email: str
    """In lower case."""
    role: str
    """`reader`, `member` or `admin`: what its keys may do at most."""
    created_at: int
    disabled_at: int | None = None
    """None while it is not disabled."""


@dataclass(slots=True, kw_only=True)
class Organization:
    """A tenant."""

    organization_id: int
    name: str
    created_at: int


@dataclass(slots=True, kw_only=True)
class CreateOrganizationResponse:
    """An organisation that was made just now."""

    success: bool = True
    organization: Organization
    admin: Account


@dataclass(slots=True, kw_only=True)
class CertificateIdentity:
    """A URI in client certificates that stands for an organisation."""

    uri: str
    organization_id: int
    organization_name: str
    role: str
    """`reader`, `member` or `admin`."""
    created_at: int


@dataclass(slots=True, kw_only=True)
class AuditEvent:
    """One act of somebody."""

    event_id: int
    occurred_at: int
    actor: str
    """The address of an account, the URI of a certificate, `local`, `operator`, or `unknown`."""
    credential: str
    """By which credential: `api_key:7`, `certificate:…`, `password` or `none`."""
    action: str
    target: str
    outcome: str
    """`done` or `failed`. Acts on data are `attempted` first: another event of the same request says how they ended."""
    address: str
    """The network address it came from; empty where there is none."""
    request_id: str
