"""`reflexio logout`."""

from typing import Any

import reflexio
import typer

from reflexio_server.cli import credentials
from reflexio_server.cli.command import JsonDocument, Timeout, Url, command_of
from reflexio_server.cli.connection import explanation, say, say_error
from reflexio_server.cli.rendering import print_json, print_line


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(logout)


def logout(*, url: Url = "", timeout: Timeout = None, json_document: JsonDocument = False) -> None:
    """Revoke the key that `reflexio login` kept for this server, and forget it.

    It is forgotten also where the server cannot be asked to revoke it; then the command says so and ends with 1.
    """
    where = reflexio.ReflexioClient(url_endpoint=url).url_endpoint
    key = credentials.key_for(where)
    try:
        was_there = credentials.forget(where)
    except OSError as error:
        say_error(f"the key cannot be forgotten: {error}")
        raise typer.Exit(1) from None
    failure = _revoked(where, key, timeout) if key else None
    if json_document:
        print_json({"url": where, "was_logged_in": was_there, "revoked": bool(key) and failure is None})
    else:
        print_line(f"logged out of {where}" if was_there else f"not logged in at {where}")
    if failure is not None:
        say_error(explanation(failure))
        say("The key is forgotten here but still valid: revoke it with `reflexio keys revoke` once the server is back.")
        raise typer.Exit(1)


def _revoked(url: str, key: str, timeout: float | None) -> reflexio.ReflexioError | None:
    """Revoke a key; what went wrong, where something did."""
    with reflexio.ReflexioClient(api_key=key, url_endpoint=url, timeout=timeout) as client:
        try:
            client.revoke_api_key()
        except (reflexio.UnauthenticatedError, reflexio.NotFoundError):
            return None  # It was revoked before, or is a server's that asks for none.
        except reflexio.ReflexioError as error:
            return error
    return None
