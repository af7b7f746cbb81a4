"""Servers that can change between embedding models, and what they must answer at any moment."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reflexio
from reflexio_server.access.caller import LOCAL_CALLER
from reflexio_server.app import Application
from reflexio_server.embed.embedder import Embedder
from reflexio_server.settings import Settings
from reflexio_server.store.database import Database
from sqlalchemy import text

from tests.contracts.context import Turn, similarities
from tests.fakes.embedder import FakeEmbedder, missing_embedder

OLD, NEW = "old-64", "new-32"
_DIMENSIONS = {OLD: 64, NEW: 32, "third-16": 16}


class Models:
    """Makes the models of a server, and can hold up documents of one of them after so many batches."""

    def __init__(self, fails_on: str | None = None) -> None:
        self.fails_on = fails_on
        self.hold_after: int | None = None
        self.held = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()

    def __call__(self, name: str) -> Embedder:
        if name not in _DIMENSIONS:
            return missing_embedder(name)
        fails_on = self.fails_on if name == NEW else None
        return _Held(self, fails_on, name=name, dimension=_DIMENSIONS[name])

    def hold(self, after: int) -> None:
        """Stop the new model before its next batch of documents but `after`."""
        self.held.clear()
        self._go_on.clear()
        self.hold_after = after

    def let_go(self) -> None:
        """Let everything pass."""
        self.hold_after = None
        self._go_on.set()

    def before_batch(self) -> None:
        if self.hold_after is None:
            return
        self.hold_after -= 1
        if self.hold_after < 0:
            self.held.set()
            assert self._go_on.wait(30)


class _Held(FakeEmbedder):
    def __init__(self, models: Models, fails_on: str | None, **options: Any) -> None:
        super().__init__(fails_on, **options)
        self._models = models

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> np.ndarray:
        if self.name == NEW and not as_queries and list(texts) != ["warm up"]:
            self._models.before_batch()
        return super().encode(texts, as_queries=as_queries)


@dataclass
class Running:
    """A server with a client."""

    app: Application
    client: reflexio.AsyncReflexioClient
    models: Models


@asynccontextmanager
async def serving(url: str, models: Models | None = None, model: str = OLD) -> AsyncIterator[Running]:
    """A server whose settings name `model`."""
    models = models or Models()
    app = Application(Settings(port=0, database_url=url, embedding_model=model), embedder_for=models)
    try:
        async with app, reflexio.AsyncReflexioClient(url_endpoint=f"http://127.0.0.1:{app.port}") as client:
            yield Running(app, client, models)
            models.let_go()
    finally:
        models.let_go()


async def kill(app: Application) -> None:
    """End the work on a change as `kill -9` would: nothing is given back."""
    for task in app._reindexer._tasks:
        task.cancel()
    await asyncio.gather(*app._reindexer._tasks, return_exceptions=True)
    app._reindexer._lease = None


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(pool_size=2, statement_cache_size=0)
    database.open(url)
    yield database
    await database.close()


async def ask(url: str, query: str, **values: Any) -> list[Any]:
    """The rows of a query, past any server."""
    async with opened(url) as database, database.autocommit(LOCAL_CALLER.org_id) as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def check_against_brute_force(url: str, client: reflexio.AsyncReflexioClient, user_id: str, query: str) -> str:
    """Compare a search with what is in Postgres: all of the user's texts, scored by the active model.

    Nothing else may change anything meanwhile but a switch. Returns the model that answered.
    """
    texts = await ask(url, "select * from interactions where user_id = :user", user=user_id)
    before = await _active(url)
    answer = await client.search_interactions(user_id=user_id, query=query, search_mode="vector", top_k=1000)
    models = {before, await _active(url)}
    got = {hit.interaction_id: hit.score for hit in answer.interactions}
    assert answer.not_yet_embedded_count == 0
    for model in models:
        embedder = FakeEmbedder(name=model, dimension=_DIMENSIONS[model])
        query_vector = embedder.encode([query])[0]
        turns = [
            Turn(
                row.interaction_id,
                row.created_at,
                row.session_id or row.request_id,
                embedder.encode([f"{row.role}: {row.content}"])[0].astype("<f2").astype(np.float32),
            )
            for row in texts
        ]
        expected = {which: max(0.0, cosine) for which, cosine in similarities(turns, query_vector).items()}
        if got == pytest.approx(expected, abs=2e-3):
            return model
    raise AssertionError(f"{user_id}: {got} is no answer of {models}")


async def _active(url: str) -> str:
    [(model,)] = await ask(url, "select model from embedding_models where state = 'active'")
    return str(model)


async def until_switched(running: Running, model: str = NEW) -> None:
    """Wait until `model` is active and nothing is under way."""
    async with asyncio.timeout(30):
        while True:
            info = await running.client.server_info()
            if info.embedding_model == model and info.reindex is None:
                return
            await asyncio.sleep(0.02)


async def until_removed(url: str) -> None:
    """Wait until only vectors of the active model are left."""
    async with asyncio.timeout(30):
        while await ask(url, "select model from embedding_models where state <> 'active'"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
