"""`reflexio admin`: what an operator does on the database itself. It needs the server's packages."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from reflexio_server import logs
from reflexio_server.access.caller import AccessRole
from reflexio_server.access.email import normalized
from reflexio_server.access.passwords import SHORTEST, Passwords
from reflexio_server.cli.command import group_of, usage_error
from reflexio_server.cli.connection import say_error
from reflexio_server.cli.passwords import FromStdin, asked_for
from reflexio_server.cli.rendering import print_line
from reflexio_server.cli.serve_flags import problem_of, variable_of
from reflexio_server.domain.access import Account, Author
from reflexio_server.domain.errors import DatabaseUnavailable, ReflexioError
from reflexio_server.domain.identity_errors import NameTaken, NotFound
from reflexio_server.domain.ids import OrgId
from reflexio_server.identity.directory import Directory
from reflexio_server.settings import Settings
from reflexio_server.store import organizations
from reflexio_server.store.attached import attached
from reflexio_server.store.driver_errors import DatabaseRefuses, cause_of_outage
from reflexio_server.store.embedded_postgres import EmbeddedPostgresFailed
from reflexio_server.store.location import InvalidDatabaseUrl
from reflexio_server.store.migrate import SchemaTooNew
from reflexio_server.store.reach import Purpose

_OPERATOR = Author(actor="operator", credential="none", address="", request_id="")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address of the account.")]
OrganizationName = Annotated[
    str, typer.Option("--organization", metavar="NAME", help="An organisation that is there.", show_default=True)
]
DataDir = Annotated[
    str,
    typer.Option(
        "--data-dir", metavar="FOLDER", show_default="as of `reflexio serve`", help="Folder of the embedded Postgres."
    ),
]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url",
        metavar="URL",
        show_default="REFLEXIO_DATABASE_URL",
        help="A Postgres. Other users of the machine can see a password in it; the variable is for that.",
    ),
]


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {"create": create, "reset": reset}
    return group_of(functions, "Make the first administrator, or let one in again, on the database itself.")


def create(
    email: Email,
    *,
    organization: OrganizationName = "default",
    password_stdin: FromStdin = False,
    data_dir: DataDir = "",
    database_url: DatabaseUrl = "",
) -> None:
    """Make an account of an administrator. Its password is asked for.

    It works before the first start of a server and beside a running one. The organisation `default` is there from the
    beginning, and has what was stored without authentication; its administrators are the operators of the service.
    """

    async def work(directory: Directory, org_id: OrgId, email: str, password: str) -> Account:
        return await directory.create_account(org_id, _OPERATOR, email, AccessRole.ADMIN, password)

    _change(email, organization, work, data_dir, database_url, from_stdin=password_stdin)
    print_line(f"{email} is an administrator of {organization}. Next: reflexio serve --auth api-key")


def reset(
    email: Email,
    *,
    organization: OrganizationName = "default",
    password_stdin: FromStdin = False,
    data_dir: DataDir = "",
    database_url: DatabaseUrl = "",
) -> None:
    """Give an account a new password, enable it and make it an administrator's: for who locked themselves out."""

    async def work(directory: Directory, org_id: OrgId, email: str, password: str) -> Account:
        return await directory.update_account(
            org_id, _OPERATOR, email, role=AccessRole.ADMIN, disabled=False, password=password
        )

    _change(email, organization, work, data_dir, database_url, from_stdin=password_stdin)
    print_line(f"{email} is an administrator of {organization} with the new password")


def _change(
    email: str,
    organization: str,
    work: Callable[[Directory, OrgId, str, str], Awaitable[Account]],
    data_dir: str,
    database_url: str,
    *,
    from_stdin: bool,
) -> None:
    try:
        address = normalized(email)
    except ValueError as error:
        raise usage_error("EMAIL", str(error)) from None
    settings = _settings(data_dir, database_url)
    password = asked_for(f"Password of {email}", from_stdin=from_stdin, confirm=True)
    if len(password) < SHORTEST:
        raise usage_error("the password", f"needs {SHORTEST} characters at least")
    logs.configure("warning", "console")

    async def run() -> None:
        url = settings.database_url.get_secret_value() if settings.database_url is not None else None
        passwords = Passwords()
        try:
            async with attached(url, settings.data_dir) as database:
                async with database.direct(Purpose.ADMINISTRATION) as connection:
                    named = await organizations.named(connection, organization)
                if named is None:
                    raise NotFound("organization", organization)
                await work(Directory(database, passwords), named.org_id, address, password)
        finally:
            passwords.close()

    try:
        asyncio.run(run())
    except InvalidDatabaseUrl as error:
        raise usage_error("--database-url", str(error)) from None
    except DatabaseRefuses as error:
        raise usage_error("--database-url", error.problem) from None
    except DatabaseUnavailable as error:
        say_error(f"cannot reach the database: {cause_of_outage(error)}")
        raise typer.Exit(1) from None
    except NameTaken as error:
        say_error(f"{error}; `reflexio admin reset {email}` lets it in again, as an administrator's")
        raise typer.Exit(1) from None
    except (ReflexioError, EmbeddedPostgresFailed, SchemaTooNew, OSError) as error:
        say_error(str(error))
        raise typer.Exit(1) from None


def _settings(data_dir: str, database_url: str) -> Settings:
    given: dict[str, Any] = {"data_dir": Path(data_dir)} if data_dir else {}
    if database_url:
        given["database_url"] = database_url
    try:
        return Settings(**given)
    except ValidationError as error:
        field, problem = problem_of(error)
        raise usage_error(variable_of(field), problem) from None
