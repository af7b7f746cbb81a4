"""Between the messages of `AccessService` and what the server calls the same things."""

from google.protobuf.timestamp_pb2 import Timestamp
from reflexio.v1 import access_service_pb2 as pb
from reflexio.v1.server_service_pb2 import AccessRole as Role

from reflexio_server.access.caller import AccessRole
from reflexio_server.domain.access import (
    Account,
    ApiKey,
    AuditEvent,
    AuditOutcome,
    CertificateIdentity,
    Organization,
)
from reflexio_server.rpc.translate import timestamp_to

_OUTCOMES = {
    AuditOutcome.ATTEMPTED: pb.AUDIT_OUTCOME_ATTEMPTED,
    AuditOutcome.DONE: pb.AUDIT_OUTCOME_DONE,
    AuditOutcome.FAILED: pb.AUDIT_OUTCOME_FAILED,
}


def role_from(role: Role.ValueType) -> AccessRole | None:
    """The role that a request names; None where it names none. The numbers are the same on both sides."""
    return AccessRole(role) if role else None


def role_to(role: int) -> Role.ValueType:
    """The number by which a message names a role."""
    return Role.ValueType(role)


def organization_to(organization: Organization) -> pb.Organization:
    """An organisation as a message."""
    return pb.Organization(
        organization_id=organization.org_id,
        name=organization.name,
        created_at=_moment(organization.created_at),
    )


def account_to(account: Account) -> pb.Account:
    """An account as a message."""
    return pb.Account(
        account_id=account.account_id,
        email=account.email,
        role=role_to(account.role),
        created_at=_moment(account.created_at),
        disabled_at=_moment(account.disabled_at),
    )


def api_key_to(key: ApiKey) -> pb.ApiKey:
    """What is known of a key as a message."""
    return pb.ApiKey(
        api_key_id=key.api_key_id,
        name=key.name,
        hint=key.hint,
        role=role_to(key.role),
        account_email=key.account_email,
        created_at=_moment(key.created_at),
        last_used_at=_moment(key.last_used_at),
        revoked_at=_moment(key.revoked_at),
    )


def identity_to(identity: CertificateIdentity) -> pb.CertificateIdentity:
    """What a URI stands for as a message."""
    return pb.CertificateIdentity(
        uri=identity.uri,
        organization_id=identity.org_id,
        organization_name=identity.org_name,
        role=role_to(identity.role),
        created_at=_moment(identity.created_at),
    )


def event_to(event: AuditEvent) -> pb.AuditEvent:
    """An event as a message."""
    return pb.AuditEvent(
        event_id=event.event_id,
        occurred_at=_moment(event.occurred_at),
        actor=event.author.actor,
        credential=event.author.credential,
        action=event.action,
        target=event.target,
        outcome=_OUTCOMES[event.outcome],
        address=event.author.address,
        request_id=event.author.request_id,
    )


def _moment(nanoseconds: int | None) -> Timestamp | None:
    return None if nanoseconds is None else timestamp_to(nanoseconds)
