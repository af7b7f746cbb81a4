"""`reflexio serve`. It needs the server's packages, so no other command imports this module."""

import asyncio
import os
from typing import Any

import typer

from reflexio_server.cli.command import command_of
from reflexio_server.cli.serve_flags import settings_from, signature


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(serve)


def serve(context: typer.Context, **flags: str | bool | None) -> None:
    """Run the service until SIGTERM or SIGINT.

    Once calls are answered, it writes one line on standard output: `listening on HOST:PORT`. Its log goes to standard
    error. Without a database URL it runs a Postgres of its own, whose data outlives it. A flag precedes its
    environment variable.
    """
    settings = settings_from(context, flags)
    # gRPC would prepare each subprocess for a life with gRPC, and complain that it cannot. Ours are pg_ctl only.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # Loading the libraries of the model takes seconds, which neither --help nor a mistyped flag should take.
    from reflexio_server.cli.serving import run  # noqa: PLC0415 - for that reason

    asyncio.run(run(settings))


serve.__signature__ = signature()  # type: ignore[attr-defined] # Typer finds the flags there.
