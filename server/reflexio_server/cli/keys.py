"""`reflexio keys`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, group_of, role_or_none
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.rendering import Column, print_json, print_line, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = (
    Column("ID"),
    Column("NAME", flexible=True),
    Column("KEY"),
    Column("ROLE"),
    Column("ACCOUNT", widest=40),
    Column("MADE"),
    Column("LAST USED"),
    Column("REVOKED"),
)

Account = Annotated[str, typer.Option("--account", metavar="EMAIL", help="Another account's, for an administrator.")]


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {"list": list_, "create": create, "revoke": revoke}
    return group_of(functions, "Make, list and revoke API keys.")


def list_(
    *,
    account: Account = "",
    revoked: Annotated[bool, typer.Option("--revoked", help="Show revoked ones too.")] = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """List keys, newest first, without showing them: your account's, or all of them for an administrator."""
    with connected(url, api_key, timeout) as client:
        keys = client.list_api_keys(account or None, include_revoked=revoked)
    if json_lines:
        for key in keys:
            print_json(asdict(key))
        return
    print_table(_COLUMNS, (_row(key) for key in keys))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, by which you know it again.")],
    *,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            metavar="ROLE",
            show_default="the account's, but no more than yours",
            help="reader, member or admin.",
        ),
    ] = "",
    account: Account = "",
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Make a key and write it to standard output, this once. It does not expire."""
    with connected(url, api_key, timeout) as client:
        made = client.create_api_key(name, role_or_none(role), account=account or None)
    if json_lines:
        print_json({"api_key": made.api_key, **asdict(made.key)})
        return
    say(f"Key {made.key.api_key_id} ({made.key.role} of {made.key.account_email}). It is shown this once:")
    print_line(made.api_key)


def revoke(
    api_key_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The key's number, as `list` shows it.")],
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Make a key invalid for ever, on every replica from the next call on. Doing it again changes nothing."""
    with connected(url, api_key, timeout) as client:
        key = client.revoke_api_key(api_key_id)
    if json_lines:
        print_json(asdict(key))
        return
    since = f" since {show_moment(key.revoked_at)}" if key.revoked_at is not None else ""
    print_line(f"key {key.api_key_id} ({key.name}) of {key.account_email} is revoked{since}")


def _row(key: reflexio.ApiKey) -> tuple[str, ...]:
    moments = (show_moment(moment) if moment is not None else "" for moment in (key.last_used_at, key.revoked_at))
    about = (str(key.api_key_id), key.name, f"{key.hint}…", key.role, key.account_email)
    return (*about, show_moment(key.created_at), *moments)
