"""What holds of every connection, whatever is called on it: sizes, counts and times, as gRPC takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from reflexio_server.settings import Settings

_MIB = 1024 * 1024

_IMPORT_BYTES = 128 * 1024
"""By how much a request that is imported may be larger than when it was published: its ids and times."""

_FOR_EVER = 2**31 - 1
"""What gRPC takes for no limit, in milliseconds."""

_KEEPALIVE_ANSWER_MS = 20_000


@dataclass(frozen=True)
class Transport:
    """The options of the server's connections."""

    options: Sequence[tuple[str, int]]

    @classmethod
    def of(cls, settings: Settings, *, shares_port: bool) -> Self:
        """As the operator chose. `shares_port` says whether others may listen on the same port."""
        age = settings.connection_age_seconds
        return cls(
            (
                ("grpc.max_receive_message_length", settings.max_message_mb * _MIB + _IMPORT_BYTES),
                ("grpc.max_send_message_length", -1),
                # Both, for between them gRPC refuses some by lot.
                ("grpc.max_metadata_size", settings.max_metadata_kb * 1024),
                ("grpc.absolute_max_metadata_size", settings.max_metadata_kb * 1024),
                # Where it is on, a second server on the same port starts without an error and takes half of the calls.
                ("grpc.so_reuseport", int(shares_port)),
                ("grpc.max_allowed_incoming_connections", settings.max_connections),
                ("grpc.max_concurrent_streams", settings.max_calls_per_connection),
                ("grpc.server_handshake_timeout_ms", _milliseconds(settings.handshake_seconds)),
                # Clients may ask every ten seconds whether the connection is alive, also between calls.
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                # And so does the server, of clients that fell silent: theirs may be gone without a word.
                ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_seconds)),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_ANSWER_MS),
                ("grpc.max_connection_idle_ms", _milliseconds(settings.connection_idle_seconds) or _FOR_EVER),
                ("grpc.max_connection_age_ms", _milliseconds(age) or _FOR_EVER),
                ("grpc.max_connection_age_grace_ms", _milliseconds(settings.connection_grace_seconds)),
            )
        )


def _milliseconds(seconds: float) -> int:
    return round(min(seconds * 1000, _FOR_EVER))
