"""The blocking client's half that concerns whole data sets: moving, erasing, keeping and embedding them anew."""

from collections import deque
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from reflexio import _calls as calls
from reflexio import models
from reflexio._calls.call import Call
from reflexio._calls.fields import stream
from reflexio._transport.exchange import Connection
from reflexio._transport.sync import SyncTransport
from reflexio._transport.transfers import Download, Upload
from reflexio.errors import InvalidArgumentError

T = TypeVar("T")
Records = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


class DataCalls:
    """Export, import, erasure, retention and the change of the embedding model."""

    _connection: Connection
    _transport: SyncTransport

    def _send(self, call: Call[T]) -> T:
        raise NotImplementedError

    def export_data(
        self,
        user_id: str | None = None,
        include_images: bool = True,
        *,
        on_totals: Callable[[int, int], object] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """Everything that was published, as it was at one moment: one dict for each request, the oldest first.

        Nothing is sent before the first is asked for. The dicts are what JSON can hold and what `import_data` takes:
        the fields of the request and its `interactions`, times in RFC 3339 to the nanosecond, images in base64. No
        more than a few are in memory. If the connection breaks after the first, begin again.

        The whole may take any time: the timeout is for each of them, 120 seconds where the client has none, and a
        server that is silent for longer is a `DeadlineExceededError`. After ten minutes without taking any, the export
        fails with `DatabaseUnavailableError`.

        Args:
            user_id: Only what belongs to this user; None means everybody, for which an administrator's key is needed
                where keys are in use.
            include_images: Whether to export images too.
            on_totals: Called once, before the first, with the numbers of requests and of interactions that will come.
        """
        call = calls.export(user_id=user_id, include_images=include_images, on_totals=on_totals)
        download = Download(call, self._connection, self._transport.channels)
        try:
            while (answer := download.receive()) is not None:
                if (record := call.read(answer)) is not None:
                    yield record  # type: ignore[misc]  # This call is answered by no further call.
        finally:
            download.close()

    def import_data(self, records: Records) -> Generator[models.ImportResult, None, None]:
        """Store what was exported, under the ids and times that it has. Where keys are in use, an administrator's.

        Nothing is sent before you iterate: `for result in client.import_data(records)`. The results come in the order
        of the records, each when its request is durable or was refused; up to 64 records are ahead of them. A record
        that is refused ends nothing: its result has the error. Records that are there already are skipped and say so,
        so whatever went wrong, the whole import can be repeated. A connection that breaks is mended, as for any call;
        what was under way then may be reported as already there. The timeout is for each result, as in `export_data`.

        Args:
            records: As `export_data` gives them, or as JSON has kept them. `created_at` may also be a datetime or
                seconds since the epoch. The asynchronous client takes asynchronous iterables too.

        Raises:
            InvalidArgumentError: At once: `records` cannot be iterated, or is the name of a file.
        """
        return self._imported(stream("records", records))

    def _imported(self, records: Iterable[Mapping[str, Any]]) -> Generator[models.ImportResult, None, None]:
        upload = Upload(self._connection, self._transport.channels)
        # What was put in, and in their places what is refused without asking.
        order: deque[models.ImportResult | None] = deque()
        try:
            for record in records:
                order.append(put(upload, record))
                while order and (order[0] is not None or upload.full):
                    yield order.popleft() or upload.receive()
            while order:
                yield order.popleft() or upload.receive()
            upload.finish()
        finally:
            upload.close()

    def erase_user(self, user_id: str) -> models.EraseUserResponse:
        """Remove everything that belongs to a user, at once and for good. An unknown user is no error.

        Where API keys are in use, it needs an administrator's.
        """
        return self._send(calls.erase_user(user_id=user_id))

    def get_retention(self) -> timedelta | None:
        """The age at which requests are deleted, counted from when they were stored; None: they are kept for ever."""
        return self._send(calls.get_retention())

    def set_retention(self, max_age: timedelta | None) -> timedelta | None:
        """Have requests deleted, with their interactions, when they were stored so long ago; None keeps them for ever.

        It is done in the background, within two minutes or so. From an hour to a hundred years, in whole seconds.
        Where API keys are in use, it needs an administrator's. Returns what holds from now on.
        """
        return self._send(calls.set_retention(max_age=max_age))

    def start_reindex(self, embedding_model: str = "") -> models.Reindex:
        """Change to another embedding model: everything is embedded with it while the active one serves.

        Returns at once; `server_info` says how far it is. Starting what is under way or done changes nothing. Needs an
        administrator's key where keys are in use.

        Args:
            embedding_model: As in the server's settings; empty for the one that they name.
        """
        return self._send(calls.start_reindex(embedding_model=embedding_model))

    def cancel_reindex(self) -> models.CancelReindexResponse:
        """Give up the change to another embedding model, if one is under way. Needs an administrator's key."""
        return self._send(calls.cancel_reindex())


def put(upload: Upload, record: Any) -> models.ImportResult | None:
    """Put a record into an upload. Where it is no record: the result that says so."""
    try:
        upload.put(calls.import_record(record))
    except InvalidArgumentError as error:
        return calls.refused(record, error)
    return None
