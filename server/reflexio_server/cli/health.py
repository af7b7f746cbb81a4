"""`reflexio health`: the standard health check, which needs no key."""

from typing import Any

import grpc
import reflexio
import typer
from reflexio._channel import open_channel
from reflexio._endpoint import find_endpoint
from reflexio._rpc_errors import from_rpc_error

from reflexio_server.cli.command import Timeout, Url, command_of, usage_error
from reflexio_server.cli.connection import message_of, say_error
from reflexio_server.cli.tls_flags import tls_options

_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""A HealthCheckResponse whose status is SERVING; with its own package this would not be part of the light client."""

_SECONDS = 3.0


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(health)


def health(*, url: Url = "", timeout: Timeout = _SECONDS) -> None:
    """Ask a server whether it answers calls: the standard gRPC health check, which needs no key.

    Ends with exit code 0 if it does, else with 1.
    """
    try:
        endpoint = find_endpoint(url, tls_options())
        channel = open_channel(endpoint)
    except reflexio.InvalidArgumentError as error:
        raise usage_error("--url", str(error)) from None
    with channel:
        try:
            check: Any = channel.unary_unary(_CHECK)
            answer = check(b"", timeout=timeout)
        except grpc.RpcError as error:
            failed = from_rpc_error(error, endpoint=endpoint, request_id="", argument_name=str)
            say_error(message_of(failed))
            raise typer.Exit(1) from None
    if answer != _SERVING:
        say_error(f"{endpoint.url} is not serving")
        raise typer.Exit(1)
    print("serving", flush=True)
