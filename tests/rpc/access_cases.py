"""The ways in which a request can be wrong that concerns accounts and keys."""

from tests.rpc.case import Case

_EMAILS = {
    "CreateApiKey": "account_email",
    "ListApiKeys": "account_email",
    "CreateOrganization": "admin_email",
    **dict.fromkeys(("Login", "ChangePassword", "CreateAccount", "UpdateAccount"), "email"),
}
_OPTIONAL_EMAILS = {"CreateApiKey", "ListApiKeys"}
_NEW_PASSWORDS = {
    "ChangePassword": "new_password",
    "CreateAccount": "password",
    "UpdateAccount": "new_password",
    "CreateOrganization": "admin_password",
}
_ROLES = ("CreateApiKey", "CreateAccount", "UpdateAccount", "CreateCertificateIdentity")
_NAMES = {
    "CreateApiKey": "name",
    "CreateOrganization": "name",
    "CreateCertificateIdentity": "uri",
    "DeleteCertificateIdentity": "uri",
}

NUMBERED_LISTS = ("ListApiKeys", "ListAccounts", "ListOrganizations", "ListCertificateIdentities", "ListAuditEvents")

ACCESS = [
    *(
        Case(method, f"no address: {text!r}", field, "string.email", {field: text})
        for method, field in _EMAILS.items()
        for text in ("nobody", "a b@example.com", "a@", "@example.com", "a@-b.com", "\u00fc@example.com")
    ),
    *(
        Case(method, "no address at all", field, "string.email_empty", {field: ""})
        for method, field in _EMAILS.items()
        if method not in _OPTIONAL_EMAILS
    ),
    *(
        Case(method, f"too short a password of {len(text)}", field, "string.min_len", {field: text})
        for method, field in _NEW_PASSWORDS.items()
        for text in ("", "x" * 11, "\u00e9" * 11)
    ),
    Case("Login", "no password", "password", "string.min_len", {"password": ""}),
    Case("ChangePassword", "no password", "current_password", "string.min_len", {"current_password": ""}),
    *(
        Case(method, f"role {role}", "role", "enum.defined_only", {"role": role})
        for method in _ROLES
        for role in (4, -1, 99)
    ),
    *(Case(method, "no name", field, "string.min_len", {field: ""}) for method, field in _NAMES.items()),
    Case(
        "CreateCertificateIdentity",
        "no organisation",
        "organization_name",
        "string.min_len",
        {"organization_name": ""},
    ),
    *(
        Case("CreateCertificateIdentity", f"no URI: {text}", "uri", "uri.absolute", {"uri": text})
        for text in (
            "agent",
            "example.com/agent",
            "spiffe://",
            "://x",
            "spiffe://a b",
            "spiffe://\u00e9",
            "urn:",
            "1a://b",
        )
    ),
    *(
        Case("RevokeApiKey", f"id {number}", "api_key_id", "int64.gte", {"api_key_id": number})
        for number in (-1, -(2**63))
    ),
]
