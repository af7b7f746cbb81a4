"""`reflexio export`."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from reflexio_server.cli.command import ApiKey, JsonDocument, Quiet, Timeout, Url, command_of, usage_error
from reflexio_server.cli.connection import connected, say, say_error
from reflexio_server.cli.progress import LateTotal, progress_bar
from reflexio_server.cli.rendering import counted, print_json, to_json


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(export)


def export(
    *,
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="USER", help="Only what belongs to this user.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Where to write; - is standard output.")
    ] = "-",
    no_images: Annotated[bool, typer.Option("--no-images", help="Leave the images out.")] = False,
    quiet: Quiet = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_document: JsonDocument = False,
) -> None:
    """Write everything that was published, as it is at this moment: one line of JSON for each request, oldest first.

    `reflexio import` takes it. FILE appears when it is complete, and takes the place of an older one then. With --json
    an object on standard output says how much was written, unless that is where the export goes. Everybody's data
    needs an administrator's key where keys are in use.
    """
    requests = interactions = 0
    total = LateTotal()
    with connected(url, api_key, timeout) as client, _opened(output) as file:
        records = client.export_data(
            user, include_images=not no_images, on_totals=lambda requests, _: total.becomes(requests)
        )
        with progress_bar("Exporting", total, shown=not (quiet or json_document)) as advance:
            for record in records:
                file.write(f"{to_json(record)}\n".encode())
                requests += 1
                interactions += len(record["interactions"])
                advance(1)
        file.flush()
    if json_document and output != "-":
        print_json({"requests": requests, "interactions": interactions, "output": output})
    elif not (quiet or json_document):
        # Standard output may be the export itself.
        say(f"exported {counted(requests, 'request')} with {counted(interactions, 'interaction')}")


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    """Where to write. A file gets its name when the block has ended well; otherwise nothing is left of it."""
    if output == "-":
        yield sys.stdout.buffer
        return
    path = Path(output)
    if path.is_dir():
        raise usage_error("--output", f"cannot write {output}: it is a folder")
    try:
        # Beside it, because a name can be moved within a file system only.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise usage_error("--output", f"cannot write {output}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):  # The disk is full, perhaps.
            say_error(f"cannot write {output}: {error.strerror}")
            raise typer.Exit(1) from None
        raise
