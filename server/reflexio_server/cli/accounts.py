"""`reflexio accounts`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Organization, Role, Timeout, Url, group_of, role_or_none
from reflexio_server.cli.connection import connected
from reflexio_server.cli.passwords import FromStdin, asked_for
from reflexio_server.cli.rendering import Column, counted, print_json, print_line, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = (Column("ID"), Column("EMAIL", flexible=True), Column("ROLE"), Column("MADE"), Column("DISABLED"))

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address of the account.")]


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {
        "list": list_,
        "create": create,
        "role": role,
        "disable": disable,
        "enable": enable,
        "reset-password": reset_password,
        "change-password": change_password,
    }
    return group_of(functions, "Make, list and change the accounts of your organisation.")


def list_(*, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None, json_lines: JsonLines = False) -> None:
    """List the accounts, oldest first. Needs an administrator's key."""
    with connected(url, api_key, timeout) as client:
        accounts = client.list_accounts()
    if json_lines:
        for account in accounts:
            print_json(asdict(account))
        return
    print_table(_COLUMNS, (_row(account) for account in accounts))


def create(
    email: Email,
    *,
    role: Role = "",
    password_stdin: FromStdin = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Make an account, a member's unless a role is given. Its first password is asked for.

    Needs an administrator's key.
    """
    chosen = role_or_none(role)
    with connected(url, api_key, timeout) as client:
        password = asked_for(f"First password of {email}", from_stdin=password_stdin, confirm=True)
        _show(client.create_account(email, password, chosen), json_lines=json_lines)


def role(
    email: Email,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="reader, member or admin.")],
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Give an account another role, from its next call on. Needs an administrator's key."""
    with connected(url, api_key, timeout) as client:
        _show(client.update_account(email, role=role_or_none(role, "ROLE")), json_lines=json_lines)


def disable(
    email: Email,
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Let an account neither log in nor call, from its next call on. Needs an administrator's key."""
    with connected(url, api_key, timeout) as client:
        _show(client.update_account(email, disabled=True), json_lines=json_lines)


def enable(
    email: Email,
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Undo `disable`; the account's keys are valid again. Needs an administrator's key."""
    with connected(url, api_key, timeout) as client:
        _show(client.update_account(email, disabled=False), json_lines=json_lines)


def reset_password(
    email: Email,
    *,
    password_stdin: FromStdin = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Give somebody a new password who forgot theirs. Needs an administrator's key."""
    with connected(url, api_key, timeout) as client:
        password = asked_for(f"New password of {email}", from_stdin=password_stdin, confirm=True)
        _show(client.update_account(email, new_password=password), json_lines=json_lines)


def change_password(
    email: Email,
    *,
    organization: Organization = "",
    revoke_keys: Annotated[bool, typer.Option("--revoke-keys", help="Revoke all keys of the account.")] = False,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the present and the new password from standard input."),
    ] = False,
    url: Url = "",
    timeout: Timeout = None,
) -> None:
    """Change the password of your own account. It needs no key, but the present password."""
    with connected(url, "", timeout) as client:
        present = asked_for("Present password", from_stdin=password_stdin)
        new = asked_for("New password", from_stdin=password_stdin, confirm=True)
        done = client.change_password(
            email, present, new, organization=organization or None, revoke_api_keys=revoke_keys
        )
        keys = f"; {counted(done.revoked_api_keys_count, 'key was', 'keys were')} revoked" if revoke_keys else ""
        print_line(f"changed the password of {email}{keys}")


def _show(account: reflexio.Account, *, json_lines: bool) -> None:
    if json_lines:
        print_json(asdict(account))
    else:
        print_table(_COLUMNS, [_row(account)])


def _row(account: reflexio.Account) -> tuple[str, ...]:
    disabled = show_moment(account.disabled_at) if account.disabled_at is not None else ""
    return (str(account.account_id), account.email, account.role, show_moment(account.created_at), disabled)
