"""Runs `reflexio serve`: a server in this process, or a supervisor of several workers."""

import sys

import typer

from reflexio_server import logs
from reflexio_server.cli.command import usage_error
from reflexio_server.cli.serve_flags import flag_of
from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.rpc.listening import address_of
from reflexio_server.settings import Settings


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        typer.BadParameter: A setting is of no use.
        typer.Exit: The server cannot start; standard error says why.
    """
    logs.configure(settings.log_level, settings.log_format)

    def announce(port: int) -> None:
        print(f"listening on {address_of(settings.host, port)}", flush=True)

    try:
        if settings.workers > 1:
            from reflexio_server.processes.supervisor import supervise  # noqa: PLC0415 - needs little

            await supervise(settings, announce)
        else:
            from reflexio_server.processes.server import serve  # noqa: PLC0415 - needs all packages

            await serve(settings, announce)
    except CannotStart as error:
        if error.setting is not None:
            raise usage_error(flag_of(error.setting), error.reason) from None
        print(f"Error: {error.reason}", file=sys.stderr, flush=True)
        raise typer.Exit(1) from None
