"""The awaitable client's half that concerns whole data sets: moving, erasing, keeping and embedding them anew."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from reflexio import _calls as calls
from reflexio import models
from reflexio._calls.call import Call
from reflexio._calls.fields import stream
from reflexio._data import Records, put
from reflexio._transport.aio import AsyncTransport
from reflexio._transport.exchange import Connection
from reflexio._transport.transfers import Aside, Download, Upload

T = TypeVar("T")


class AsyncDataCalls:
    """Export, import, erasure, retention and the change of the embedding model."""

    _connection: Connection
    _transport: AsyncTransport

    async def _send(self, call: Call[T]) -> T:
        raise NotImplementedError

    async def export_data(
        self,
        user_id: str | None = None,
        include_images: bool = True,
        *,
        on_totals: Callable[[int, int], object] | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Everything that was published, as it was at one moment: `async for` over dicts; see `ReflexioClient`."""
        call = calls.export(user_id=user_id, include_images=include_images, on_totals=on_totals)
        download = Download(call, self._connection, self._transport.channels)
        aside = Aside(download)
        try:
            while (answer := await aside.wait_for(download.receive)) is not None:
                if (record := call.read(answer)) is not None:
                    yield record  # type: ignore[misc]  # This call is answered by no further call.
        finally:
            aside.close()

    def import_data(self, records: Records) -> AsyncGenerator[models.ImportResult, None]:
        """Store what was exported: `async for` over the results; see `ReflexioClient`."""
        return self._imported(stream("records", records, asynchronous=True))

    async def _imported(self, records: Records) -> AsyncGenerator[models.ImportResult, None]:
        upload = Upload(self._connection, self._transport.channels)
        aside = Aside(upload)
        order: deque[models.ImportResult | None] = deque()

        async def next_result() -> models.ImportResult:
            known = order.popleft()
            return known if known is not None else await aside.wait_for(upload.receive)

        try:
            async for record in _awaited(records):
                order.append(put(upload, record))
                while order and (order[0] is not None or upload.full):
                    yield await next_result()
            while order:
                yield await next_result()
            await aside.wait_for(upload.finish)
        finally:
            aside.close()

    async def erase_user(self, user_id: str) -> models.EraseUserResponse:
        """Remove everything that belongs to a user, at once and for good. An unknown user is no error.

        Where API keys are in use, it needs an administrator's.
        """
        return await self._send(calls.erase_user(user_id=user_id))

    async def get_retention(self) -> timedelta | None:
        """The age at which requests are deleted, counted from when they were stored; None: they are kept for ever."""
        return await self._send(calls.get_retention())

    async def set_retention(self, max_age: timedelta | None) -> timedelta | None:
        """Have requests deleted, with their interactions, when they were stored so long ago; None keeps them for ever.

        It is done in the background, within two minutes or so. From an hour to a hundred years, in whole seconds.
        Where API keys are in use, it needs an administrator's. Returns what holds from now on.
        """
        return await self._send(calls.set_retention(max_age=max_age))

    async def start_reindex(self, embedding_model: str = "") -> models.Reindex:
        """Change to another embedding model: everything is embedded with it while the active one serves.

        Returns at once; `server_info` says how far it is. Starting what is under way or done changes nothing. Needs an
        administrator's key where keys are in use.

        Args:
            embedding_model: As in the server's settings; empty for the one that they name.
        """
        return await self._send(calls.start_reindex(embedding_model=embedding_model))

    async def cancel_reindex(self) -> models.CancelReindexResponse:
        """Give up the change to another embedding model, if one is under way. Needs an administrator's key."""
        return await self._send(calls.cancel_reindex())


async def _awaited(records: Records) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
    else:
        for record in records:
            yield record
