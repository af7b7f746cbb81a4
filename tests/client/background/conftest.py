"""A server that remembers what was published, and publishers with spools of their own."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reflexio
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.wire import WireServer


class Refusals:
    """What `on_refused` was told, by whichever thread."""

    def __init__(self) -> None:
        self.told: list[tuple[reflexio.BackgroundPublish, Exception]] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, publish: reflexio.BackgroundPublish, error: Exception) -> None:
        self.told.append((publish, error))
        self.threads.add(threading.current_thread())

    @property
    def kinds(self) -> list[type[Exception]]:
        return [type(error) for _, error in self.told]


@pytest.fixture
def memory(wire: WireServer) -> WireServer:
    """`wire`, which takes every publish."""
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=2)
    wire.answers["PublishInteractions"] = lambda *_: PublishInteractionsResponse(message="stored")
    return wire


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def publisher(tmp_path: Any, memory: WireServer, refusals: Refusals) -> Iterator[Callable[..., Any]]:
    """Makes publishers to `memory` with one spool, and closes them without waiting."""
    made: list[reflexio.BackgroundPublisher] = []

    def make(**options: Any) -> reflexio.BackgroundPublisher:
        options = {"url_endpoint": memory.url, "spool_folder": tmp_path, "on_refused": refusals} | options
        made.append(reflexio.BackgroundPublisher(**options))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close(0)


def published(server: WireServer) -> list[str]:
    """The texts that arrived, in the order in which they did."""
    return [r.interactions[0].content for r in server.requests if hasattr(r, "interactions")]


def said(text: str) -> list[dict[str, Any]]:
    """An exchange of one message."""
    return [{"role": "User", "content": text}]
