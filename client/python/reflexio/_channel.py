"""How the client's gRPC channels are made: transport security, limits, keepalive, timeouts and retries."""

import functools
import json
from enum import Enum
from importlib import resources
from typing import Any

import grpc

from reflexio._endpoint import Endpoint
from reflexio._version import __version__


class TimeoutClass(Enum):
    """How long a call may take; `service_config.json` has the seconds under these names."""

    QUICK = "quick"
    USUAL = "usual"
    WAITING = "waiting"
    """The server was asked to wait until all that follows from the call is done."""


GRPC_REPEATS_SECONDS = 2.5
"""Within which gRPC has made all attempts that `service_config.json` has it make, if each is answered soon."""

# Ours, beside what gRPC understands.
_TIMEOUTS = "timeouts"
_BALANCING = "loadBalancingConfig"

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    # The server has the limit, and says what it is. An answer has none: pages are bounded already.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Errors list what is wrong with each interaction of a batch; the usual 8 KiB would lose the whole error.
    ("grpc.max_metadata_size", 256 * 1024),
    ("grpc.absolute_max_metadata_size", 512 * 1024),
    # A request larger than this buffer is not repeated by gRPC. Pictures are.
    ("grpc.per_rpc_retry_buffer_size", 64 * 1024 * 1024),
    # Servers that were not told otherwise hang up on clients that ping more often than every five minutes, at the
    # fourth ping: a minute apart, no call of ours gets there.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Shorter than what load balancers and address translators forget connections after.
    ("grpc.client_idle_timeout_ms", 240_000),
    # The least time for a connection attempt, despite its name: an address that swallows packets is told in seconds.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # A restarted server is found again soon, also under another address.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # Else a fresh channel would share connections, and their backoff, with an older one.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.primary_user_agent", f"reflexio-python/{__version__}"),
)


@functools.cache
def service_config() -> dict[str, Any]:
    """The content of `service_config.json`."""
    config: dict[str, Any] = json.loads(resources.files("reflexio").joinpath("service_config.json").read_text("utf-8"))
    return config


def timeout_seconds(timeout_class: TimeoutClass) -> float:
    """How long a call of this class may take."""
    return float(service_config()[_TIMEOUTS][timeout_class.value])


def channel_options(endpoint: Endpoint, timeout: float | None = None) -> list[tuple[str, int | str]]:
    """The options of a channel to `endpoint` for calls with this timeout, None being that of their class."""
    # The two addresses of localhost are one server, which listens on one of them.
    left_out = {_TIMEOUTS, _BALANCING} if endpoint.local else {_TIMEOUTS}
    config = {key: value for key, value in service_config().items() if key not in left_out}
    options = [*_OPTIONS, ("grpc.service_config", json.dumps(config))]
    if endpoint.tls is not None and endpoint.tls.server_name:
        options.append(("grpc.ssl_target_name_override", endpoint.tls.server_name))
    if endpoint.local:
        options.append(("grpc.enable_http_proxy", 0))
    if timeout is not None and timeout < GRPC_REPEATS_SECONDS:
        # It would be over amid gRPC's attempts, and nobody be told how they ended. The client makes them itself.
        options.append(("grpc.enable_retries", 0))
    return options


def open_channel(endpoint: Endpoint, timeout: float | None = None) -> grpc.Channel:
    """A channel to `endpoint` for calls with this timeout.

    Raises:
        InvalidArgumentError: A certificate cannot be read.
    """
    options = channel_options(endpoint, timeout)
    if not endpoint.secure:
        return grpc.insecure_channel(endpoint.target, options)
    credentials = endpoint.tls.credentials() if endpoint.tls is not None else grpc.ssl_channel_credentials()
    return grpc.secure_channel(endpoint.target, credentials, options)
