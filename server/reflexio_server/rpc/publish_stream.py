"""A stream of publishes: several are worked on at a time, and acknowledged in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog
from reflexio.v1 import interaction_service_pb2 as pb

from reflexio_server.domain.errors import (
    DatabaseUnavailable,
    InternalError,
    InvalidFields,
    NotReady,
    ReflexioError,
)
from reflexio_server.rpc.refusals import counted
from reflexio_server.rpc.status import refusal_of

_log = structlog.get_logger("reflexio.rpc")

_MOST_REQUESTS = 16
_MOST_BYTES = 8 * 1024 * 1024
"""What is worked on at a time. A larger request is worked on by itself."""

Acknowledge = Callable[[pb.StreamPublishInteractionsResponse], Awaitable[None]]


@dataclass(frozen=True)
class _Entry:
    """One message on its way."""

    size: int
    answer: asyncio.Task[pb.StreamPublishInteractionsResponse]


class Turn:
    """The place of a request among those of its session: one after the other, and none after one that was cut short."""

    def __init__(self, before: "Turn | None") -> None:
        self._before = before
        self.over: asyncio.Future[ReflexioError | None] = asyncio.get_running_loop().create_future()
        """None where the next one may come; the error for which this one, and so the next, has to be sent again."""

    async def come(self) -> None:
        """Return when the request before is stored or refused.

        Raises:
            ReflexioError: That request has to be sent again, and this one after it.
        """
        if self._before is not None:
            before, self._before = self._before, None
            error = await asyncio.shield(before.over)
            if error is not None:
                raise error

    def end(self, error: ReflexioError | None = None) -> None:
        """Let the next one come, or have it sent again too."""
        if not self.over.done():
            self.over.set_result(error)


class PublishStream:
    """Works on one stream.

    Args:
        publish: Stores one request when its turn has come, and answers it.
        stopping: Set when the server stops.
        call_id: Under which the log has what went wrong.
    """

    def __init__(
        self,
        publish: Callable[[pb.PublishInteractionsRequest, Turn], Awaitable[pb.PublishInteractionsResponse]],
        stopping: asyncio.Event,
        call_id: str,
    ) -> None:
        self._publish = publish
        self._stopping = stopping
        self._call_id = call_id
        self._room = asyncio.Condition()
        self._requests = self._bytes = 0
        self._last_of_session: dict[tuple[str, str], Turn] = {}
        self._entries: asyncio.Queue[_Entry | None] = asyncio.Queue()

    async def run(
        self,
        requests: AsyncIterator[pb.StreamPublishInteractionsRequest | ReflexioError],
        acknowledge: Acknowledge,
    ) -> None:
        """Answer every message.

        Raises:
            NotReady: The server stops. Messages that were not acknowledged have to be sent again.
            DatabaseUnavailable: The same, for another reason.
            MessageMissing: The same, because one of them did not arrive.
        """
        reading = asyncio.create_task(self._read(requests))
        unfinished: set[asyncio.Task[pb.StreamPublishInteractionsResponse]] = set()
        try:
            while (entry := await self._entries.get()) is not None:
                unfinished.add(entry.answer)
                await acknowledge(await entry.answer)
                unfinished.discard(entry.answer)
                async with self._room:
                    self._requests -= 1
                    self._bytes -= entry.size
                    self._room.notify()
            await reading
        finally:
            while not self._entries.empty():
                if (left := self._entries.get_nowait()) is not None:
                    unfinished.add(left.answer)
            for task in (reading, *unfinished):
                task.cancel()
            await asyncio.gather(reading, *unfinished, return_exceptions=True)
        if self._stopping.is_set():
            raise NotReady("stopping")

    async def _read(self, requests: AsyncIterator[pb.StreamPublishInteractionsRequest | ReflexioError]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        coming: asyncio.Future[pb.StreamPublishInteractionsRequest | ReflexioError] | None = None
        try:
            while not self._stopping.is_set():
                coming = asyncio.ensure_future(anext(requests))
                await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                try:
                    message = coming.result()
                except StopAsyncIteration:
                    return
                await self._take(message)
        finally:
            stopping.cancel()
            if coming is not None:
                coming.cancel()
            self._entries.put_nowait(None)

    async def _take(self, message: pb.StreamPublishInteractionsRequest | ReflexioError) -> None:
        size = 0 if isinstance(message, ReflexioError) else message.ByteSize()
        async with self._room:
            await self._room.wait_for(
                lambda: not self._requests or (self._requests < _MOST_REQUESTS and self._bytes + size <= _MOST_BYTES)
            )
            self._requests += 1
            self._bytes += size
        if isinstance(message, ReflexioError):
            answer = self._refused(message)
        else:
            answer = self._answered(message.publish, self._turn_of(message.publish))
        self._entries.put_nowait(_Entry(size, asyncio.create_task(answer)))

    def _turn_of(self, request: pb.PublishInteractionsRequest) -> Turn:
        if not request.session_id:
            return Turn(None)
        session = (request.user_id, request.session_id)
        turn = Turn(self._last_of_session.get(session))
        self._last_of_session[session] = turn
        return turn

    async def _refused(self, error: ReflexioError) -> pb.StreamPublishInteractionsResponse:
        return pb.StreamPublishInteractionsResponse(refusal=refusal_of(counted(error)))

    async def _answered(
        self, request: pb.PublishInteractionsRequest, turn: Turn
    ) -> pb.StreamPublishInteractionsResponse:
        again: ReflexioError | None = NotReady("stopping")
        try:
            published = await self._publish(request, turn)
            again = None
            return pb.StreamPublishInteractionsResponse(published=published)
        except (NotReady, DatabaseUnavailable) as error:
            again = error
            raise
        except ReflexioError as error:
            again = None
            told = error.within("publish") if isinstance(error, InvalidFields) else error
            return pb.StreamPublishInteractionsResponse(refusal=refusal_of(counted(told)))
        except Exception:  # noqa: BLE001 -- what nobody expected must not end the stream, nor be told.
            again = None
            _log.exception("unhandled error in a stream")
            return pb.StreamPublishInteractionsResponse(refusal=refusal_of(counted(InternalError(self._call_id))))
        finally:
            turn.end(again)
            session = (request.user_id, request.session_id)
            if self._last_of_session.get(session) is turn:
                del self._last_of_session[session]
