"""Runs a server for `reflexio serve`, from its start to the signal that ends it."""

import asyncio
import signal
import sys

import typer

from reflexio_server import logs
from reflexio_server.app import Application
from reflexio_server.cli.command import usage_error
from reflexio_server.cli.serve_flags import flag_of
from reflexio_server.domain.errors import DatabaseUnavailable
from reflexio_server.embed.embedder import ModelUnavailable
from reflexio_server.rpc.server import CannotListen
from reflexio_server.settings import Settings
from reflexio_server.store.embedded_postgres import DataFolderInUse, EmbeddedPostgresFailed
from reflexio_server.store.location import InvalidDatabaseUrl, location_of


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    A signal that comes while the server is starting takes effect once it has started: whatever is half started then,
    a Postgres among it, would be left behind. A second signal gives up waiting for that.

    Raises:
        typer.BadParameter: A setting is of no use.
        typer.Exit: The server cannot start; standard error says why.
    """
    logs.configure(settings.log_level, settings.log_format)
    try:
        application = Application(settings)
    except InvalidDatabaseUrl as error:
        raise usage_error(flag_of("database_url"), str(error)) from None
    starting = asyncio.create_task(application.start())
    signalled = asyncio.Event()

    def on_signal() -> None:
        if signalled.is_set():
            starting.cancel()
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    await _started(starting, settings)
    if not signalled.is_set():
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"listening on {host}:{application.port}", flush=True)
    await signalled.wait()
    await application.stop()


async def _started(starting: asyncio.Task[None], settings: Settings) -> None:
    """Wait for the start, and explain where it fails."""
    try:
        await starting
    except asyncio.CancelledError:
        raise _failure("interrupted while starting") from None
    except DatabaseUnavailable as error:
        place = location_of(_database_url(settings), settings.data_dir).storage_label
        raise _failure(f"cannot reach the database {place}: {error.__cause__ or error}") from None
    except (CannotListen, DataFolderInUse, EmbeddedPostgresFailed, ModelUnavailable, OSError) as error:
        raise _failure(str(error)) from None


def _database_url(settings: Settings) -> str | None:
    return settings.database_url.get_secret_value() if settings.database_url is not None else None


def _failure(reason: str) -> typer.Exit:
    print(f"Error: {reason}", file=sys.stderr, flush=True)
    return typer.Exit(1)
