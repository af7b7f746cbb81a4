"""What both transports know about a call before it is sent and after it has failed."""

import math
import os
import warnings
from dataclasses import dataclass, field
from typing import Any

import grpc

from reflexio import errors
from reflexio._calls.call import Call
from reflexio._channel import TimeoutClass, timeout_seconds
from reflexio._endpoint import Endpoint, find_endpoint
from reflexio._error_base import InsecureChannelWarning
from reflexio._rpc_errors import from_rpc_error
from reflexio._surroundings import affinity, request_id_of_call, trace_metadata
from reflexio._tls import TlsOptions
from reflexio._transport.attempts import Attempts

API_KEY_VARIABLE = "REFLEXIO_API_KEY"


@dataclass(slots=True)
class Connection:
    """Where calls go, in whose name, and for how long at most."""

    endpoint: Endpoint
    api_key: str = field(repr=False)
    timeout: float | None
    """Seconds for every call; None means that each kind of call has its own."""
    answered: bool = False
    """Whether a server has ever answered."""

    @classmethod
    def open(
        cls, api_key: str, url_endpoint: str, timeout: float | None, tls: TlsOptions | None = None
    ) -> "Connection":
        """Check what a client was made with, and look up in the environment what was left out.

        Raises:
            InvalidArgumentError: One of the arguments, or of the environment variables in their place, is of no use.
        """
        if not isinstance(api_key, str):
            raise errors.invalid_argument("api_key", f"must be a str, not {type(api_key).__name__}")
        key = (api_key or os.environ.get(API_KEY_VARIABLE, "")).strip()
        if "://" in key:
            raise errors.invalid_argument("api_key", "is an endpoint; give it as url_endpoint")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise errors.invalid_argument("api_key", "has characters that no API key has")
        if timeout is not None:
            number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
            if not number or not 0 < timeout < math.inf:
                raise errors.invalid_argument("timeout", f"must be a positive number of seconds, not {timeout!r}")
        connection = cls(find_endpoint(url_endpoint, tls), key, timeout)
        if key:
            connection.warn_if_readable("the API key")
        return connection

    @property
    def silence(self) -> float:
        """Seconds for which an answer on a stream is awaited. The stream as a whole may take any time."""
        return self.timeout or timeout_seconds(TimeoutClass.WAITING)

    def silent(self, awaited: str) -> errors.DeadlineExceededError:
        """The error for a server that was silent on a stream for that long."""
        return errors.DeadlineExceededError(f"no {awaited} from {self.endpoint.url} for {self.silence:g} seconds")

    def use_key(self, api_key: str) -> None:
        """Make further calls with another key."""
        self.api_key = api_key

    def warn_if_readable(self, what: str) -> None:
        """Warn whoever called the client's method that a secret travels in a way that others can read.

        It is no error: where a mesh encrypts beneath, plain text is right.
        """
        if not (self.endpoint.secure or self.endpoint.stays_here):
            warnings.warn(
                f"{what} is sent to {self.endpoint.url} in plain text; use https:// unless the network encrypts by "
                "itself, and silence InsecureChannelWarning if it does",
                InsecureChannelWarning,
                stacklevel=4,
            )


class Exchange:
    """One call on its way: its metadata and deadline, and what a failed attempt means."""

    def __init__(self, call: Call[Any], connection: Connection) -> None:
        self._call = call
        self._connection = connection
        self._request_id = request_id_of_call()
        user_id = getattr(call.request, "user_id", "")
        self._around = (
            ("x-request-id", self._request_id),
            *trace_metadata(),
            *((("x-reflexio-affinity", affinity(user_id)),) if user_id else ()),
        )
        self.renew()

    def renew(self) -> None:
        """Begin to count time and attempts afresh: a stream that was answered goes on where it broke."""
        self._attempts = Attempts(
            self._connection.timeout or timeout_seconds(self._call.timeout_class),
            alone=self._call.method.streams_requests,
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What travels beside the request. Every attempt has the same `x-request-id`."""
        key = self._connection.api_key
        return (*self._around, ("authorization", f"Bearer {key}")) if key else self._around

    def remaining(self) -> float:
        """Seconds that the next attempt may take."""
        return max(self._attempts.remaining(), 0.001)

    def succeeded(self) -> None:
        """Note that a server has answered."""
        self._connection.answered = True

    def pause_after(self, rpc_error: grpc.RpcError) -> float:
        """Seconds to wait before the call is tried again.

        Raises:
            ReflexioError: The call has failed for good.
        """
        error = self.failure(rpc_error)
        if not self._call.repeatable and not isinstance(error, errors.NotReadyError):
            raise error from rpc_error
        pause = self._attempts.pause_after(error, answered_before=self._connection.answered)
        if not isinstance(
            error, (errors.ServerUnreachableError, errors.DeadlineExceededError, errors.UnimplementedError)
        ):
            self._connection.answered = True
        if pause is None:
            raise self._attempts.outcome(error) from rpc_error
        return pause

    def failure(self, rpc_error: grpc.RpcError) -> errors.ReflexioError:
        """What a failed attempt means to the user."""
        return from_rpc_error(
            rpc_error,
            endpoint=self._connection.endpoint,
            request_id=self._request_id,
            argument_name=self._call.argument_name,
        )
