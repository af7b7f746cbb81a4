"""What a caller needs for which method: the one table of rights. A test compares it with the contract."""

from contextvars import ContextVar
from enum import Enum, auto

from reflexio_server.access.caller import AccessRole, Caller, current_caller
from reflexio_server.domain.identity_errors import PermissionDenied


class Requirement(Enum):
    """The least that a method asks for."""

    NOTHING = auto()
    """No credential: the call itself brings what is checked."""
    READER = auto()
    MEMBER = auto()
    ADMIN = auto()
    OPERATOR = auto()
    """An administrator of organisation 1, because it concerns all organisations."""


_LEAST = {
    Requirement.READER: AccessRole.READER,
    Requirement.MEMBER: AccessRole.MEMBER,
    Requirement.ADMIN: AccessRole.ADMIN,
    Requirement.OPERATOR: AccessRole.ADMIN,
}

_METHODS = {
    "InteractionService": {
        "PublishInteractions": Requirement.MEMBER,
        "StreamPublishInteractions": Requirement.MEMBER,
        "SearchInteractions": Requirement.READER,
        "ListInteractions": Requirement.READER,
        "ListAllInteractions": Requirement.ADMIN,
        "DeleteInteraction": Requirement.MEMBER,
    },
    "RequestService": {
        # Those of all users at once: an administrator; the service asks for that.
        "ListRequests": Requirement.READER,
        "DeleteRequest": Requirement.MEMBER,
        "BatchDeleteRequests": Requirement.MEMBER,
        "DeleteSession": Requirement.MEMBER,
        "DeleteAllInteractions": Requirement.ADMIN,
    },
    "DataService": {
        "EraseUser": Requirement.ADMIN,
        # That of all users at once: an administrator; the service asks for that.
        "ExportData": Requirement.READER,
        "ImportData": Requirement.ADMIN,
        "GetRetention": Requirement.READER,
        "UpdateRetention": Requirement.ADMIN,
    },
    "ServerService": {
        "WhoAmI": Requirement.READER,
        "GetServerInfo": Requirement.READER,
        "StartReindex": Requirement.OPERATOR,
        "CancelReindex": Requirement.OPERATOR,
    },
    "AccessService": {
        # They bring a password, and that is what is checked.
        "Login": Requirement.NOTHING,
        "ChangePassword": Requirement.NOTHING,
        # Those of other accounts: an administrator; the directory asks for that.
        "CreateApiKey": Requirement.MEMBER,
        "ListApiKeys": Requirement.READER,
        "RevokeApiKey": Requirement.READER,
        "CreateAccount": Requirement.ADMIN,
        "ListAccounts": Requirement.ADMIN,
        "UpdateAccount": Requirement.ADMIN,
        "CreateOrganization": Requirement.OPERATOR,
        "ListOrganizations": Requirement.OPERATOR,
        "CreateCertificateIdentity": Requirement.OPERATOR,
        "ListCertificateIdentities": Requirement.OPERATOR,
        "DeleteCertificateIdentity": Requirement.OPERATOR,
        "ListAuditEvents": Requirement.ADMIN,
    },
}

REQUIREMENTS = {
    f"/reflexio.v1.{service}/{method}": requirement
    for service, methods in _METHODS.items()
    for method, requirement in methods.items()
}
"""By the name of a method on the wire. Health and reflection are not ours and need nothing."""


def is_enough(caller: Caller, requirement: Requirement) -> bool:
    """Whether who calls may do what asks for `requirement`."""
    if requirement is Requirement.NOTHING:
        return True
    return caller.is_operator if requirement is Requirement.OPERATOR else caller.role >= _LEAST[requirement]


def require(caller: Caller, requirement: Requirement) -> None:
    """Let through who may do what asks for `requirement`.

    Raises:
        PermissionDenied: The caller may not.
    """
    if not is_enough(caller, requirement):
        raise PermissionDenied(requirement.name.lower(), caller.role.name.lower(), caller.org_id)


call_requirements: ContextVar[set[Requirement]] = ContextVar("call_requirements")
"""What the call in progress has needed so far. One set for the whole call, whichever task of it asks."""


def require_of_call(requirement: Requirement) -> None:
    """As `require`, of the caller of the call in progress; a stream ends when that is not so any more.

    Raises:
        PermissionDenied: The caller may not.
    """
    require(current_caller.get(), requirement)
    call_requirements.get().add(requirement)
