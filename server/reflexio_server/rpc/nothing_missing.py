"""Streams of messages that their sender has numbered."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from reflexio_server.domain.errors import NotReady, ReflexioError


class MessageMissing(NotReady):
    """The server cannot go on with a stream, because a message of it did not arrive and later ones did."""

    def __init__(self, place: int) -> None:
        """`place` is where another message should have been, counted from 1."""
        message = f"message {place} of the stream did not arrive; send again, on another stream, what was not answered"
        ReflexioError.__init__(self, message, {"place": str(place)})


class _Numbered(Protocol):
    place: int


M = TypeVar("M", bound=_Numbered)


async def nothing_missing(messages: AsyncIterator[M | ReflexioError]) -> AsyncIterator[M | ReflexioError]:
    """The messages of a stream, as long as none is missing among them.

    What repeats broken connections on the way, gRPC's own retries among it, may leave messages out. Those that follow
    would be stored out of turn, and answers be taken for those of other messages.

    Raises:
        MessageMissing: One says that it stands at another place than it does.
    """
    place = 0
    async for message in messages:
        place += 1
        told = place if isinstance(message, ReflexioError) else message.place
        if told not in {0, place}:
            raise MessageMissing(place)
        yield message
