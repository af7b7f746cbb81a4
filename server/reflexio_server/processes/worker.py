"""Where a worker begins: `python -m reflexio_server.processes.worker`, by the supervisor only.

Its orders come as a line of JSON on standard input, where no other user of the machine can read the secrets among
them. What it has to say to the supervisor is a line of JSON on standard output.
"""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from reflexio_server import logs
from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.settings import Settings
from reflexio_server.store.location import StorageLocation


def orders(settings: Settings, location: StorageLocation, number: int, metrics_socket: Path | None = None) -> bytes:
    """What a worker has to know.

    Args:
        settings: Its own: the port is known, and the database.
        location: How to speak of the database.
        number: Which worker it is, for the log.
        metrics_socket: Where to tell the supervisor metrics; None where nobody asks.
    """
    values = {name: _plain(getattr(settings, name)) for name in type(settings).model_fields}
    order = {
        "settings": values,
        "location": asdict(location),
        "number": number,
        "metrics_socket": str(metrics_socket) if metrics_socket is not None else None,
    }
    return json.dumps(order).encode() + b"\n"


def raise_if_failed(report: bytes) -> None:
    """Read what a worker said at its start.

    Raises:
        CannotStart: It did not start.
    """
    try:
        said = json.loads(report)
    except ValueError:
        raise CannotStart("a worker ended while it was starting; its log says more") from None
    if "reason" in said:
        raise CannotStart(said["reason"], said["setting"])


def main() -> None:
    """Serve until SIGTERM, or until the supervisor is gone."""
    report = os.dup(sys.stdout.fileno())
    # Whatever a library prints goes to the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    given = json.loads(sys.stdin.buffer.readline())
    settings = Settings(**given["settings"])
    logs.configure(settings.log_level, settings.log_format)
    structlog.contextvars.bind_contextvars(worker=given["number"])

    def tell(**said: Any) -> None:
        # Where the supervisor is gone there is nobody to tell, and the worker stops for that reason.
        with contextlib.suppress(BrokenPipeError):
            os.write(report, json.dumps(said).encode() + b"\n")

    # Loading the server takes seconds, and the supervisor, which needs the orders' form only, has no use for it.
    from reflexio_server.processes.server import serve  # noqa: PLC0415 - for that reason

    location = StorageLocation(**given["location"])
    metrics_socket = Path(given["metrics_socket"]) if given["metrics_socket"] is not None else None
    try:
        asyncio.run(
            serve(
                settings,
                lambda port: tell(port=port),
                worker_of=location,
                supervisor=sys.stdin.fileno(),
                metrics_socket=metrics_socket,
            ),
        )
    except CannotStart as error:
        tell(reason=error.reason, setting=error.setting)
        sys.exit(1)


def _plain(value: Any) -> Any:
    """A setting as JSON knows it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value if isinstance(value, bool | int | float | None) else str(value)


if __name__ == "__main__":
    main()
