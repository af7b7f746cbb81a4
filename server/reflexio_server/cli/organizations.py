"""`reflexio organizations`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, group_of
from reflexio_server.cli.connection import connected
from reflexio_server.cli.passwords import FromStdin, asked_for
from reflexio_server.cli.rendering import Column, print_json, print_line, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = (Column("ID"), Column("NAME", flexible=True), Column("MADE"))


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {"list": list_, "create": create}
    return group_of(functions, "Make and list organisations. For administrators of organisation 1.")


def list_(*, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None, json_lines: JsonLines = False) -> None:
    """List all organisations, oldest first."""
    with connected(url, api_key, timeout) as client:
        organizations = client.list_organizations()
    if json_lines:
        for organization in organizations:
            print_json(asdict(organization))
        return
    print_table(_COLUMNS, ((str(o.organization_id), o.name, show_moment(o.created_at)) for o in organizations))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the organisation is called.")],
    *,
    admin: Annotated[str, typer.Option("--admin", metavar="EMAIL", help="The address of its first administrator.")],
    password_stdin: FromStdin = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Make an organisation with its first administrator, whose first password is asked for."""
    with connected(url, api_key, timeout) as client:
        password = asked_for(f"First password of {admin}", from_stdin=password_stdin, confirm=True)
        made = client.create_organization(name, admin, password)
    if json_lines:
        print_json({"organization": asdict(made.organization), "admin": asdict(made.admin)})
    else:
        number = made.organization.organization_id
        print_line(f"made organisation {number} ({name}); {made.admin.email} is its administrator")
