"""A client that remembers its calls, and what was stored before and after each."""

import functools
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflexio

_EVERYTHING = 1000


@dataclass(frozen=True)
class Stored:
    """All that a server holds: requests by their id, and what the list of all interactions gives."""

    requests: dict[str, reflexio.RequestData]
    interactions: list[reflexio.Interaction]

    def of_user(self, user_id: str) -> list[reflexio.Interaction]:
        """A user's interactions, newest first."""
        return [interaction for interaction in self.interactions if interaction.user_id == user_id]


@dataclass(frozen=True)
class RecordedCall:
    """A call of a client's method, with its arguments by name, defaults included."""

    method: str
    arguments: dict[str, Any]
    answer: Any
    before: Stored
    after: Stored
    of_its_user: list[reflexio.Interaction]
    """What `get_interactions` gives afterwards for the user whom the call named."""
    began: float
    ended: float
    endpoint_url: str
    storage_type: str

    @property
    def session(self) -> str | None:
        """The session that the call named, under either name."""
        return self.arguments.get("session_id") or self.arguments.get("request_group")


class Observer:
    """Looks at a server with a client of its own."""

    def __init__(self, url: str, api_key: str) -> None:
        self.client = reflexio.ReflexioClient(api_key=api_key, url_endpoint=url)

    def stored(self) -> Stored:
        """What the server holds at the moment, with its pictures."""
        found = self.client.get_requests(top_k=_EVERYTHING, include_images=True)
        assert not found.has_more
        return Stored(
            requests={data.request.request_id: data for session in found.sessions for data in session.requests},
            interactions=self.client.get_all_interactions(limit=_EVERYTHING, include_images=True).interactions,
        )

    def of_user(self, user_id: str) -> list[reflexio.Interaction]:
        """What the server gives for one user, with pictures, newest first."""
        return self.client.get_interactions(user_id, top_k=_EVERYTHING, include_images=True).interactions


def recording_client(observer: Observer, calls: list[RecordedCall]) -> type[reflexio.ReflexioClient]:
    """The class of real clients that add each call to `calls` when it has been answered."""
    storage_type = observer.client.server_info().storage_type

    def recorded(method: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def call(self: reflexio.ReflexioClient, *args: Any, **kwargs: Any) -> Any:
            given = signature.bind(self, *args, **kwargs)
            given.apply_defaults()
            arguments = {name: value for name, value in given.arguments.items() if name != "self"}
            before = observer.stored()
            began = time.time()
            answer = method(self, *args, **kwargs)
            ended = time.time()
            user_id = arguments.get("user_id")
            calls.append(
                RecordedCall(
                    method=method.__name__,
                    arguments=arguments,
                    answer=answer,
                    before=before,
                    after=observer.stored(),
                    of_its_user=observer.of_user(user_id) if user_id else [],
                    began=began,
                    ended=ended,
                    endpoint_url=self.url_endpoint,
                    storage_type=storage_type,
                )
            )
            return answer

        return call

    methods = {
        name: recorded(member)
        for name, member in inspect.getmembers(reflexio.ReflexioClient, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    }
    return type("RecordingClient", (reflexio.ReflexioClient,), methods)
