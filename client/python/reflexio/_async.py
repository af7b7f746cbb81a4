"""The awaitable client."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

from reflexio import _calls as calls
from reflexio import models
from reflexio._async_access import AsyncAccessCalls
from reflexio._async_data import AsyncDataCalls
from reflexio._calls.call import Call
from reflexio._tls import TlsOptions
from reflexio._transport.aio import AsyncTransport
from reflexio._transport.exchange import Connection
from reflexio.errors import ReflexioError

T = TypeVar("T")
Time = int | float | datetime


class AsyncReflexioClient(AsyncDataCalls, AsyncAccessCalls):
    """`ReflexioClient` with its methods awaited.

    Nothing is sent before the first call. One client serves any number of tasks, event loops and threads; a forked
    child gets a connection of its own. A server that restarts is waited for, up to 15 seconds within the timeout.
    Close the client, or use it in an `async with` statement.
    """

    def __init__(
        self, api_key: str = "", url_endpoint: str = "", timeout: float | None = None, *, tls: TlsOptions | None = None
    ) -> None:
        """Prepare a client; the arguments are those of `ReflexioClient`.

        Raises:
            InvalidArgumentError: One of them cannot be used.
        """
        self._connection = Connection.open(api_key, url_endpoint, timeout, tls)
        self._transport = AsyncTransport(self._connection)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url_endpoint={self.url_endpoint!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url_endpoint(self) -> str:
        """The endpoint in use, as it was written where it was found."""
        return self._connection.endpoint.url

    async def close(self) -> None:
        """Close the connection. Calls under way in other tasks fail; later ones raise `ClientClosedError`."""
        self._transport.close()

    async def _send(self, call: Call[T]) -> T:
        return await self._transport.send(call)

    async def publish_interaction(
        self,
        user_id: str,
        interactions: Iterable[models.InteractionData | Mapping[str, Any]],
        source: str = "",
        agent_version: str = "",
        session_id: str | None = None,
        wait_for_response: bool = False,
        skip_aggregation: bool = False,
        force_extraction: bool = False,
        *,
        request_group: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.PublishUserInteractionResponse:
        """Store interactions as one request: all of them, or none. They are durable when this returns.

        Arguments and answer are those of `ReflexioClient.publish_interaction`.
        """
        return await self._send(
            calls.publish(
                user_id=user_id,
                interactions=interactions,
                source=source,
                agent_version=agent_version,
                session_id=session_id,
                wait_for_response=wait_for_response,
                skip_aggregation=skip_aggregation,
                force_extraction=force_extraction,
                request_group=request_group,
                idempotency_key=idempotency_key,
                endpoint_url=self.url_endpoint,
            )
        )

    def publish_interactions(
        self,
        publishes: Iterable[models.PublishData | Mapping[str, Any]]
        | AsyncIterable[models.PublishData | Mapping[str, Any]],
    ) -> AsyncIterator[models.PublishUserInteractionResponse | ReflexioError]:
        """Publish many, any number of them: one result for each, in their order, as they are acknowledged.

        What is said of `ReflexioClient.publish_interactions` holds. `publishes` may be asynchronous; what is not is
        asked for items in the event loop. Give up the iterator with `aclose()`, or use it to its end.
        """
        return self._transport.publish_all(publishes)

    async def search_interactions(
        self,
        request: models.SearchInteractionsRequest | Mapping[str, Any] | None = None,
        *,
        user_id: str | None = None,
        query: str | None = None,
        request_id: str | None = None,
        session_id: str | None = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        top_k: int | None = None,
        most_recent_k: int | None = None,
        search_mode: models.SearchMode | str = models.SearchMode.HYBRID,
        role: str | None = None,
        source: str | None = None,
        include_images: bool = False,
        min_score: float | None = None,
        explain: bool = False,
    ) -> models.SearchInteractionsResponse:
        """Find a user's interactions by meaning, by words or both. Everything published before can be found.

        Arguments and answer are those of `ReflexioClient.search_interactions`.
        """
        keywords = models.SearchInteractionsRequest(
            user_id=user_id,
            query=query,
            request_id=request_id,
            session_id=session_id,
            start_time=start_time,
            end_time=end_time,
            top_k=top_k,
            most_recent_k=most_recent_k,
            search_mode=search_mode,
            role=role,
            source=source,
            include_images=include_images,
            min_score=min_score,
            explain=explain,
        )
        return await self._send(calls.search(request, keywords))

    async def get_interactions(
        self,
        user_id: str,
        start_time: Time | None = None,
        end_time: Time | None = None,
        top_k: int = 30,
        *,
        include_images: bool = False,
    ) -> models.GetInteractionsResponse:
        """A user's newest interactions, newest first.

        Arguments and answer are those of `ReflexioClient.get_interactions`.
        """
        return await self._send(
            calls.list_interactions(
                user_id=user_id, start_time=start_time, end_time=end_time, top_k=top_k, include_images=include_images
            )
        )

    async def get_all_interactions(
        self, limit: int = 100, *, include_images: bool = False
    ) -> models.GetInteractionsViewResponse:
        """The newest interactions of every user. Where API keys are in use, it needs an administrator's.

        Arguments and answer are those of `ReflexioClient.get_all_interactions`.
        """
        return await self._send(calls.list_all_interactions(limit=limit, include_images=include_images))

    async def delete_interaction(
        self, user_id: str, interaction_id: int, wait_for_response: bool = False
    ) -> models.DeleteInteractionResponse:
        """Remove one interaction of a user. An unknown one is no error. With waiting: gone from disk, and counted."""
        return await self._send(
            calls.delete_interaction(
                user_id=user_id, interaction_id=interaction_id, wait_for_response=wait_for_response
            )
        )

    async def get_requests(
        self,
        user_id: str | None = None,
        request_id: str | None = None,
        session_id: str | None = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        top_k: int = 30,
        offset: int = 0,
        *,
        request_group: str | None = None,
        include_images: bool = False,
    ) -> models.GetRequestsResponse:
        """The newest requests with their interactions, by session.

        Arguments and answer are those of `ReflexioClient.get_requests`.
        """
        return await self._send(
            calls.list_requests(
                user_id=user_id,
                request_id=request_id,
                session_id=session_id,
                start_time=start_time,
                end_time=end_time,
                top_k=top_k,
                offset=offset,
                request_group=request_group,
                include_images=include_images,
            )
        )

    async def delete_request(self, request_id: str, wait_for_response: bool = False) -> models.DeleteRequestResponse:
        """Remove a request and its interactions. An unknown one is no error. With waiting: gone from disk, counted."""
        return await self._send(calls.delete_request(request_id=request_id, wait_for_response=wait_for_response))

    async def delete_session(
        self, session_id: str, wait_for_response: bool = False, *, user_id: str | None = None
    ) -> models.DeleteSessionResponse:
        """Remove a session for all its users, or for `user_id` alone. With waiting: gone from disk, and counted."""
        return await self._send(
            calls.delete_session(session_id=session_id, wait_for_response=wait_for_response, user_id=user_id)
        )

    async def delete_request_group(
        self, request_group: str, wait_for_response: bool = False, *, user_id: str | None = None
    ) -> models.DeleteSessionResponse:
        """`delete_session` by its older name."""
        return await self._send(
            calls.delete_session(
                session_id=request_group, wait_for_response=wait_for_response, user_id=user_id, argument="request_group"
            )
        )

    async def delete_requests_by_ids(self, request_ids: Iterable[str]) -> models.DeleteRequestsByIdsResponse:
        """Remove up to 1,000 requests and their interactions at once. Unknown ones are not counted."""
        return await self._send(calls.delete_requests(request_ids=request_ids))

    async def delete_all_interactions(self) -> models.DeleteAllInteractionsResponse:
        """Remove every request and interaction of every user. Needs an administrator's key where keys are in use."""
        return await self._send(calls.delete_everything())

    async def server_info(self) -> models.ServerInfo:
        """What the server is, what it stores where, and how much work it has before it."""
        return await self._send(calls.server_info())
