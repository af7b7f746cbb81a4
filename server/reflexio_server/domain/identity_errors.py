"""What can go wrong with who calls, and with accounts and keys.

ReflexioError
├── ApiKeyMissing              the server asks for a credential
├── ApiKeyInvalid              unknown or revoked, or its account is disabled
└── PermissionDenied           the caller's role is too small
"""

from reflexio_server.domain.errors import Reason, ReflexioError


class ApiKeyMissing(ReflexioError):
    """The server asks for a credential, and the call brought none."""

    reason = Reason.API_KEY_MISSING

    def __init__(self) -> None:
        super().__init__("this server asks for an API key; send it as `authorization: Bearer <key>`")


class ApiKeyInvalid(ReflexioError):
    """The API key is unknown or revoked, or its account is disabled. Which of these is not told."""

    reason = Reason.API_KEY_INVALID

    def __init__(self) -> None:
        super().__init__("the API key is not valid, or no longer")


class PermissionDenied(ReflexioError):
    """The caller is known, but may not do this."""

    reason = Reason.PERMISSION_DENIED

    def __init__(self, needed: str, role: str, org_id: int) -> None:
        """Say what is missing.

        Args:
            needed: The least role; "operator" stands for an administrator of organisation 1.
            role: The caller's.
            org_id: The caller's organisation.
        """
        least = "an administrator of organisation 1" if needed == "operator" else f"the role {needed}"
        super().__init__(
            f"this needs {least}; the credential has the role {role} in organisation {org_id}",
            {"needed": needed, "role": role},
        )
