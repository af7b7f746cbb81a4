"""What can go wrong with who calls, and with accounts and keys.

ReflexioError
├── ApiKeyMissing              the server asks for a credential
├── ApiKeyInvalid              unknown or revoked, or its account is disabled
├── PermissionDenied           the caller's role is too small
├── LoginRefused               unknown address, wrong password or disabled account
├── TooManyLogins
├── NameTaken
├── NotFound                   nothing of this name that the caller may know of
├── LastAdmin                  an organisation would be left without one
├── TooManyApiKeys
└── NoAccount                  the caller has none, and none was named
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
        super().__init__("the API key is unknown here, or was revoked")


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


class LoginRefused(ReflexioError):
    """There is no such account with this password, or it is disabled. Which of these is not told.

    Where no organisation is named, the account is the oldest of the address.
    """

    reason = Reason.LOGIN_REFUSED

    def __init__(self) -> None:
        super().__init__("the email address or the password is wrong; correct them, or name the organisation")


class TooManyLogins(ReflexioError):
    """Too many logins failed lately. The password was not looked at."""

    reason = Reason.TOO_MANY_LOGINS
    retry_after = 60.0

    def __init__(self, seconds: float) -> None:
        """`seconds` is when the next one is let through."""
        super().__init__(f"too many logins failed; try again in {seconds:.0f} seconds")
        self.retry_after = seconds


class NameTaken(ReflexioError):
    """Something of this kind has the name already. Nothing was changed."""

    reason = Reason.NAME_TAKEN

    def __init__(self, kind: str, name: str) -> None:
        """`kind` is "account", "organization" or "certificate_identity"."""
        super().__init__(f"the {_words(kind)} {name!r} exists already", {"kind": kind, "name": name})


class NotFound(ReflexioError):
    """There is nothing of this name that the caller may know of. Nothing was changed."""

    reason = Reason.NOT_FOUND

    def __init__(self, kind: str, name: str) -> None:
        """`kind` is "account", "organization", "certificate_identity" or "api_key"."""
        super().__init__(f"there is no {_words(kind)} {name!r}", {"kind": kind, "name": name})


class LastAdmin(ReflexioError):
    """The organisation would have no administrator left who is not disabled. Nothing was changed."""

    reason = Reason.LAST_ADMIN

    def __init__(self, email: str) -> None:
        super().__init__(
            f"{email} is the last administrator of the organisation; make another one first", {"account": email}
        )


class TooManyApiKeys(ReflexioError):
    """The account has as many keys as it may have."""

    reason = Reason.TOO_MANY_API_KEYS

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the account has {limit} keys, which is as many as it may have; revoke some that nobody uses",
            {"limit": str(limit)},
        )


class NoAccount(ReflexioError):
    """The caller has no account, and the request names none."""

    reason = Reason.NO_ACCOUNT

    def __init__(self) -> None:
        super().__init__("this call is not made in the name of an account; say for which account")


def _words(kind: str) -> str:
    return {"organization": "organisation", "api_key": "API key"}.get(kind, kind.replace("_", " "))
