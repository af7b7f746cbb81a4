"""`reflexio certificates`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Role, Timeout, Url, group_of, role_or_none
from reflexio_server.cli.connection import connected
from reflexio_server.cli.rendering import Column, print_json, print_line, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = (Column("URI", flexible=True), Column("ORGANISATION"), Column("ROLE"), Column("MADE"))

Uri = Annotated[str, typer.Argument(metavar="URI", help="As certificates have it: spiffe://example.org/ns/a/sa/b.")]


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {"list": list_, "create": create, "delete": delete}
    return group_of(functions, "Say for whom URIs in client certificates stand. For administrators of organisation 1.")


def list_(*, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None, json_lines: JsonLines = False) -> None:
    """List the URIs, oldest first."""
    with connected(url, api_key, timeout) as client:
        identities = client.list_certificate_identities()
    if json_lines:
        for identity in identities:
            print_json(asdict(identity))
        return
    rows = (
        (i.uri, f"{i.organization_id} ({i.organization_name})", i.role, show_moment(i.created_at)) for i in identities
    )
    print_table(_COLUMNS, rows)


def create(
    uri: Uri,
    *,
    organization: Annotated[
        str, typer.Option("--organization", metavar="NAME", help="For which organisation calls are made.")
    ],
    role: Role = "",
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Let calls whose client certificate has this URI be made for an organisation, as a member by default."""
    with connected(url, api_key, timeout) as client:
        identity = client.create_certificate_identity(uri, organization, role_or_none(role))
    if json_lines:
        print_json(asdict(identity))
    else:
        print_line(f"{identity.uri} is {identity.role} of {identity.organization_name}")


def delete(uri: Uri, *, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None) -> None:
    """Let a URI stand for nobody, from the next call on."""
    with connected(url, api_key, timeout) as client:
        client.delete_certificate_identity(uri)
        print_line(f"{uri} stands for nobody")
