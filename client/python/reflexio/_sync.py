"""The blocking client."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

from reflexio import _calls as calls
from reflexio import models
from reflexio._access import AccessCalls
from reflexio._calls.call import Call
from reflexio._data import DataCalls
from reflexio._tls import TlsOptions
from reflexio._transport.exchange import Connection
from reflexio._transport.sync import SyncTransport
from reflexio.errors import ReflexioError

T = TypeVar("T")
Time = int | float | datetime


class ReflexioClient(DataCalls, AccessCalls):
    """Records what users and agents say and do, and gives it back by meaning.

    Nothing is sent before the first call. One client serves any number of threads; a forked child gets a connection of
    its own. A server that restarts is waited for, up to 15 seconds within the timeout. Close the client, or use it in a
    `with` statement. Every method raises `ReflexioError`; see `reflexio.errors` for its subclasses.
    """

    def __init__(
        self, api_key: str = "", url_endpoint: str = "", timeout: float | None = None, *, tls: TlsOptions | None = None
    ) -> None:
        """Prepare a client.

        Args:
            api_key: Falls back to `REFLEXIO_API_KEY`. A server without accounts needs none.
            url_endpoint: `http://host:port`, `https://host:port` (TLS), `host:port`, `unix:…` or any gRPC target. Falls
                back to `REFLEXIO_API_URL`, `REFLEXIO_URL` and `http://localhost:8081`.
            timeout: Seconds that one call to the server may take, repetitions included; a list of several pages makes
                several. None: 10 for `whoami` and `server_info`, 120 for what waits until all is done, else 30.
                A call that was refused with a time to come back which is not within it ends at once.
            tls: Which certificates to trust and to show. With it, or with one of its environment variables, TLS is
                spoken to every endpoint that does not begin with `http://` or `unix:`.

        Raises:
            InvalidArgumentError: One of these cannot be used.
        """
        self._connection = Connection.open(api_key, url_endpoint, timeout, tls)
        self._transport = SyncTransport(self._connection)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url_endpoint={self.url_endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url_endpoint(self) -> str:
        """The endpoint in use, as it was written where it was found."""
        return self._connection.endpoint.url

    def close(self) -> None:
        """Close the connection. Calls under way in other threads fail; later ones raise `ClientClosedError`."""
        self._transport.close()

    def _send(self, call: Call[T]) -> T:
        return self._transport.send(call)

    def publish_interaction(
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

        Args:
            user_id: To whom they belong. Users need not be created first.
            interactions: In the order in which they happened.
            source: Where they come from, in your own words: "web_app".
            agent_version: Which version of your agent took part.
            session_id: The conversation to which they belong.
            wait_for_response: Wait until they are searched and learned from, too; only then has the answer more than
                `success`, `message` and `warnings`, such as `request_id` and `interaction_ids`.
            skip_aggregation: Learn from them, but leave the agents' playbooks as they are.
            force_extraction: Learn now, without waiting for more interactions. Where the server does not learn,
                `warnings` of the answer says so.
            request_group: Older name of `session_id`.
            idempotency_key: A name for this publish, for those who repeat it themselves after an error: the same key
                within seven days stores nothing more and returns the first answer. The client's own repetitions are
                covered without.
        """
        return self._send(
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
        self, publishes: Iterable[models.PublishData | Mapping[str, Any]]
    ) -> Iterator[models.PublishUserInteractionResponse | ReflexioError]:
        """Publish many, any number of them: one result for each, in their order, as they are acknowledged.

        Nothing is sent before you iterate: `for result in client.publish_interactions(publishes)`. Some are sent ahead,
        64 or 8 MiB at most; `publishes` is asked for no more until there is room, so that memory does not grow. A
        result is what `publish_interaction` returns, or the `ReflexioError` that it raises: one bad publish does not
        end the others. Publishes of one session are stored in their order. Each has an idempotency key, its own or one
        that is made for it; under it is sent again what was not acknowledged on a connection that was lost.
        Where too many interactions wait for being embedded, this waits for room.

        The client's timeout (120 seconds where there is none) is the time for which the server may acknowledge nothing
        while something is on its way. Give up the iterator when you have seen enough: the connection is ended, and what
        was sent ahead may have been stored.

        Args:
            publishes: PublishData, or dicts with the arguments of `publish_interaction`.

        Raises:
            ReflexioError: While iterating: the server cannot be reached any more, or takes no stream. Publishes without
                a result may have been stored; those with keys of your own may be published again.
        """
        return self._transport.publish_all(publishes)

    def search_interactions(
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

        The conditions are what the fields of `SearchInteractionsRequest` of the same names say. They may come in
        `request`, as keywords, or some here and some there.
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
        return self._send(calls.search(request, keywords))

    def get_interactions(
        self,
        user_id: str,
        start_time: Time | None = None,
        end_time: Time | None = None,
        top_k: int = 30,
        *,
        include_images: bool = False,
    ) -> models.GetInteractionsResponse:
        """A user's newest interactions, newest first.

        Args:
            user_id: Whose.
            start_time: Only those that happened then or later: a datetime (local time when naive) or epoch seconds.
            end_time: Only those that happened then or earlier; an int means all of that second.
            top_k: How many at most, also more than fit into one answer of the server.
            include_images: Whether to fetch images too.
        """
        return self._send(
            calls.list_interactions(
                user_id=user_id, start_time=start_time, end_time=end_time, top_k=top_k, include_images=include_images
            )
        )

    def get_all_interactions(
        self, limit: int = 100, *, include_images: bool = False
    ) -> models.GetInteractionsViewResponse:
        """The newest interactions of every user. Where API keys are in use, it needs an administrator's."""
        return self._send(calls.list_all_interactions(limit=limit, include_images=include_images))

    def delete_interaction(
        self, user_id: str, interaction_id: int, wait_for_response: bool = False
    ) -> models.DeleteInteractionResponse:
        """Remove one interaction of a user. An unknown one is no error. With waiting: gone from disk, and counted."""
        return self._send(
            calls.delete_interaction(
                user_id=user_id, interaction_id=interaction_id, wait_for_response=wait_for_response
            )
        )

    def get_requests(
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

        Args:
            user_id: Whose; None means every user's.
            request_id: Only this one.
            session_id: Only those of this session.
            start_time: Only those stored then or later: a datetime (local time when naive) or epoch seconds.
            end_time: Only those stored then or earlier; an int means all of that second.
            top_k: How many requests at most, also more than fit into one answer of the server.
            offset: How many requests to pass over, counted from the newest.
            request_group: Older name of `session_id`.
            include_images: Whether to fetch images too.
        """
        return self._send(
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

    def delete_request(self, request_id: str, wait_for_response: bool = False) -> models.DeleteRequestResponse:
        """Remove a request and its interactions. An unknown one is no error. With waiting: gone from disk, counted."""
        return self._send(calls.delete_request(request_id=request_id, wait_for_response=wait_for_response))

    def delete_session(
        self, session_id: str, wait_for_response: bool = False, *, user_id: str | None = None
    ) -> models.DeleteSessionResponse:
        """Remove a session for all its users, or for `user_id` alone. With waiting: gone from disk, and counted."""
        return self._send(
            calls.delete_session(session_id=session_id, wait_for_response=wait_for_response, user_id=user_id)
        )

    def delete_request_group(
        self, request_group: str, wait_for_response: bool = False, *, user_id: str | None = None
    ) -> models.DeleteSessionResponse:
        """`delete_session` by its older name."""
        return self._send(
            calls.delete_session(
                session_id=request_group, wait_for_response=wait_for_response, user_id=user_id, argument="request_group"
            )
        )

    def delete_requests_by_ids(self, request_ids: Iterable[str]) -> models.DeleteRequestsByIdsResponse:
        """Remove up to 1,000 requests and their interactions at once. Unknown ones are not counted."""
        return self._send(calls.delete_requests(request_ids=request_ids))

    def delete_all_interactions(self) -> models.DeleteAllInteractionsResponse:
        """Remove every request and interaction of every user. Needs an administrator's key where keys are in use."""
        return self._send(calls.delete_everything())

    def server_info(self) -> models.ServerInfo:
        """What the server is, what it stores where, and how much work it has before it."""
        return self._send(calls.server_info())
