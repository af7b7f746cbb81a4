"""The connection of a command to the server, and what a person reads when something goes wrong."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import reflexio
import typer

from reflexio_server.cli import credentials
from reflexio_server.cli.command import usage_error
from reflexio_server.cli.rendering import one_line, visible
from reflexio_server.cli.tls_flags import TLS_FLAGS, tls_options

_FLAGS = {"url_endpoint": "--url", "api_key": "--api-key", "timeout": "--timeout", "tls": "--ca-cert"}
_FLAGS.update({f"tls.{name}": flag for name, flag in TLS_FLAGS.items()})

_TERMS = {
    "--url": "the argument url_endpoint",
    "needs --client-cert": "needs client_cert",
    "needs --client-key": "needs client_key",
}
"""What stands here for words of the Python client."""


@contextmanager
def connected(url: str, api_key: str, timeout: float | None) -> Iterator[reflexio.ReflexioClient]:
    """A client, closed at the end. Its errors are written to standard error and end the command with exit code 1.

    Where neither the argument nor the environment has a key, it is that of `reflexio login` for this server.

    Raises:
        typer.BadParameter: The URL or the key is none; ends the command with exit code 2.
        typer.Exit: The block raised an error of the client.
    """
    try:
        with _warnings_for_people():
            client = reflexio.ReflexioClient(api_key=api_key, url_endpoint=url, timeout=timeout, tls=tls_options())
            if not (api_key or os.environ.get("REFLEXIO_API_KEY")) and (kept := _kept_key(client.url_endpoint)):
                client = reflexio.ReflexioClient(api_key=kept, url_endpoint=url, timeout=timeout, tls=tls_options())
    except reflexio.InvalidArgumentError as error:
        field = error.field_violations[0].field
        raise usage_error(_FLAGS[field], _in_our_terms(error.field_violations[0].description)) from None
    try:
        with client, _warnings_for_people():
            yield client
    except reflexio.ReflexioError as error:
        say_error(explanation(error))
        raise typer.Exit(1) from None


def say_error(text: str) -> None:
    """Write an error to standard error."""
    say(f"Error: {text}")


def say(text: str) -> None:
    """Write a line to standard error, where it is in nobody's way."""
    print("\n".join(visible(line) for line in text.splitlines()), file=sys.stderr, flush=True)


def explanation(error: reflexio.ReflexioError) -> str:
    """What went wrong, in two lines: what the client says; the reason, the fields, and what the log calls the call."""
    fields = ", ".join(violation.field for violation in error.field_violations if violation.field)
    facts = [f"reason: {error.reason}"]
    if fields:
        facts.append(f"field: {fields}")
    if error.request_id is not None and not isinstance(error, reflexio.ServerUnreachableError):
        facts.append(f"request id: {error.request_id}")
    message = message_of(error)
    if isinstance(error, reflexio.UnauthenticatedError) and not isinstance(error, reflexio.LoginRefusedError):
        message = message.partition(";")[0] + " (log in with `reflexio login`, or give --api-key or REFLEXIO_API_KEY)"
    if isinstance(error, reflexio.NoAccountError):
        message += " with --account (`reflexio admin create` makes the first, `reflexio accounts list` shows them)"
    return f"{message}\n  {', '.join(facts)}"


def message_of(error: reflexio.ReflexioError) -> str:
    """What the client says of an error, on one line and in words of the command line."""
    return _in_our_terms(one_line(str(error)))


def _in_our_terms(message: str) -> str:
    for ours, theirs in _TERMS.items():
        message = message.replace(theirs, ours)
    return message


@contextmanager
def _warnings_for_people() -> Iterator[None]:
    """Write the client's warnings as sentences, without the line of our own code that they came from."""
    with warnings.catch_warnings(record=True, action="always", category=reflexio.InsecureChannelWarning) as caught:
        try:
            yield
        finally:
            for warning in caught:
                say(f"Warning: {warning.message}")


def _kept_key(url: str) -> str:
    if credentials.others_may_read():
        say(f"Warning: {credentials.credentials_file()} is not used, because others may read it; log in again")
    return credentials.key_for(url)
