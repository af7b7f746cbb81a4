"""`reflexio login`."""

from typing import Annotated, Any

import typer

from reflexio_server.cli import credentials
from reflexio_server.cli.command import JsonDocument, Organization, Timeout, Url, command_of
from reflexio_server.cli.connection import connected, say_error
from reflexio_server.cli.passwords import FromStdin, asked_for
from reflexio_server.cli.rendering import print_json, print_line


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(login)


def login(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address of your account.")],
    *,
    organization: Organization = "",
    password_stdin: FromStdin = False,
    url: Url = "",
    timeout: Timeout = None,
    json_document: JsonDocument = False,
) -> None:
    """Log in, and keep the key for later commands at this server.

    The key goes into a file that only you may read; `reflexio logout` revokes and forgets it. It is used where neither
    --api-key nor REFLEXIO_API_KEY gives another.
    """
    with connected(url, "", timeout) as client:
        password = asked_for("Password", from_stdin=password_stdin)
        token = client.login(email, password, organization or None)
        where = client.url_endpoint
    file = None
    # A server that asks for no keys makes one up, which would take the place of a good one.
    if token.key is not None:
        try:
            file = credentials.keep(where, token.api_key, email)
        except OSError as error:
            say_error(f"the key cannot be kept: {error}")
            raise typer.Exit(1) from None
    if json_document:
        print_json(
            {
                "url": where,
                "organization_id": token.organization_id,
                "organization_name": token.organization_name,
                "role": token.key.role if token.key is not None else None,
                "api_key_id": token.key.api_key_id if token.key is not None else None,
                "credentials_file": str(file) if file is not None else None,
            }
        )
    elif token.key is None:
        print_line(f"{where} asks for no keys; nothing was kept")
    else:
        print_line(f"logged in at {where} as {token.key.role} of {token.organization_name}; the key is in {file}")
