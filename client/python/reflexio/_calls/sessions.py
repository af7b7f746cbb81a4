"""Sessions under both of their names."""

from collections.abc import Mapping

from reflexio.errors import invalid_argument


def session_name(session_id: str | None, request_group: str | None) -> str:
    """The session that was named, by either name; empty for none.

    Raises:
        InvalidArgumentError: Both names were given, with different values.
    """
    if session_id is not None and request_group is not None and session_id != request_group:
        raise invalid_argument(
            "request_group",
            f"is the older name of session_id and must not differ from it: {request_group!r}, {session_id!r}",
        )
    return session_id if session_id is not None else request_group or ""


def session_rename(session_id: object) -> Mapping[str, str]:
    """How errors are to name the session: by the older name where that was used."""
    return {} if session_id is not None else {"session_id": "request_group"}
