"""The embedding models of this server: loaded when needed, each in a thread of its own, and one of them active."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import Embedder, ModelUnavailable, Vectors
from reflexio_server.embed.fair_queue import Owner
from reflexio_server.embed.job import EmbeddingJob
from reflexio_server.store import embedding_models
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_models import ACTIVE, BUILDING, KnownModel

_log = structlog.get_logger("reflexio.embed")

_KEPT_SECONDS = 60.0
"""How long a model stays loaded that is neither active nor being built."""

_RETRY_SECONDS = 30.0
"""After how long a model that could not be loaded is tried again."""


@dataclass
class _Loaded:
    thread: EmbeddingThread
    loading: asyncio.Task[None]
    used_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())


class EmbeddingModels:
    """An `Embedding` that goes with the active model. To be used from one event loop."""

    def __init__(self, database: Database, embedder_for: Callable[[str], Embedder], configured: str) -> None:
        """Make it without loading anything.

        Args:
            database: Where it stands which model is active.
            embedder_for: Makes the model of a name, not loaded.
            configured: The model with which an empty database begins.
        """
        self.configured = configured
        self.after_switch: Callable[[], None] = lambda: None
        """Called when another model has become active here."""
        self._database = database
        self._embedder_for = embedder_for
        self._loaded: dict[str, _Loaded] = {}
        self._active: EmbeddingThread | None = None
        self._following = asyncio.Lock()

    @property
    def name(self) -> str:
        """The active model's name, as far as it is known here."""
        return self._active.embedder.name if self._active is not None else self.configured

    @property
    def active(self) -> EmbeddingThread:
        """The thread of the active model."""
        if self._active is None:
            message = "the embedding models were not started"
            raise RuntimeError(message)
        return self._active

    @property
    def embedder(self) -> Embedder:
        """The active model, as far as it is known here."""
        return self.active.embedder

    def embed_query(self, text: str, owner: Owner = None) -> Coroutine[Any, Any, Vectors]:
        """The vector of a query, as `EmbeddingThread.embed_query` says."""
        return self.active.embed_query(text, owner)

    def embed_document(self, text: str, *, wanted: bool, owner: Owner = None) -> EmbeddingJob:
        """Have a text embedded, as `EmbeddingThread.embed_document` says."""
        return self.active.embed_document(text, wanted=wanted, owner=owner)

    def promote(self, job: EmbeddingJob) -> None:
        """Put a document in front of those for which nobody waits."""
        self.active.promote(job)

    def spare(self) -> None:
        """Leave the processors to calls for a moment, as `Embedding.spare` says."""
        self.active.spare()

    def begin_loading(self) -> None:
        """Load the configured model while other things are started; `start` says whether it worked."""
        self._begin_loading(self.configured)

    async def start(self) -> None:
        """Load the active model; on an empty database that is the configured one from now on.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelUnavailable: The model cannot be loaded.
        """
        async with self._database.autocommit(None) as connection:
            known = await embedding_models.active_model(connection)
        if known is None:
            thread = await self.load(self.configured)
            await embedding_models.activate_first(self._database, self.configured, thread.embedder.dimension)
        await self.follow()
        if self.name != self.configured:
            _log.warning(
                "serving with another embedding model than is set: run `reflexio reindex` to change to that",
                active=self.name,
                configured=self.configured,
            )

    async def stop(self) -> None:
        """End all threads; what waits fails with `NotReady`."""
        loaded, self._loaded = list(self._loaded.values()), {}
        for entry in loaded:
            entry.loading.cancel()
        await asyncio.gather(*(entry.loading for entry in loaded), return_exceptions=True)
        for entry in loaded:
            await entry.thread.stop()

    async def load(self, name: str, *, afresh: bool = False) -> EmbeddingThread:
        """The thread of a model, loaded.

        Args:
            name: Which model.
            afresh: Whether to try it again also where it failed just now.

        Raises:
            ModelUnavailable: It cannot be loaded.
        """
        entry = self._begin_loading(name, afresh=afresh)
        try:
            # Others may wait for it too.
            await asyncio.shield(entry.loading)
        except ModelUnavailable:
            await entry.thread.stop()
            raise
        entry.used_at = asyncio.get_running_loop().time()
        return entry.thread

    async def follow(self) -> None:
        """Take the model that is active in Postgres now, if it is another one.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelUnavailable: It cannot be loaded here, or is not the one that made the vectors.
        """
        async with self._following:
            async with self._database.autocommit(None) as connection:
                known = await embedding_models.all_known(connection)
            await self._activate(next(model for model in known if model.state == ACTIVE))

    async def keep(self, known: Sequence[KnownModel]) -> None:
        """Load what is being built, so that it is there at the switch, and let go what is not needed any more."""
        needed = {model.name for model in known if model.state in {ACTIVE, BUILDING}}
        for name in needed.difference(self._loaded):
            self._begin_loading(name).loading.add_done_callback(_warn)
        now = asyncio.get_running_loop().time()
        for name, entry in list(self._loaded.items()):
            unused = entry.loading.done() and entry.thread.is_idle and now - entry.used_at > _KEPT_SECONDS
            if name not in needed and entry.thread is not self._active and unused:
                self._forget(name, entry)
                await entry.thread.stop()

    async def _activate(self, model: KnownModel) -> None:
        if self._active is not None and self._active.embedder.name == model.name:
            return
        thread = await self.load(model.name)
        if thread.embedder.dimension != model.dimension:
            message = (
                f"the embedding model {model.name!r} is not the one that made the stored vectors: "
                f"it has {thread.embedder.dimension} dimensions, they have {model.dimension}"
            )
            raise ModelUnavailable(message)
        if self._active is not None and (old := self._loaded.get(self.name)) is not None:
            old.used_at = asyncio.get_running_loop().time()
        switched = self._active is not None
        self._active = thread
        if switched:
            _log.info("changed to another embedding model", model=model.name)
            self.after_switch()

    def _begin_loading(self, name: str, *, afresh: bool = False) -> _Loaded:
        entry = self._loaded.get(name)
        if entry is not None and entry.loading.done() and entry.loading.exception() is not None:
            tried_just_now = asyncio.get_running_loop().time() - entry.used_at < _RETRY_SECONDS
            entry = entry if tried_just_now and not afresh else None
        if entry is None:
            thread = EmbeddingThread(self._embedder_for(name))
            entry = self._loaded[name] = _Loaded(thread, asyncio.create_task(thread.start()))
            entry.loading.add_done_callback(_look_at)
        return entry

    def _forget(self, name: str, entry: _Loaded) -> None:
        if self._loaded.get(name) is entry:
            del self._loaded[name]


def _look_at(loading: asyncio.Task[None]) -> None:
    """Whoever awaits it gets the error as well; perhaps nobody does."""
    with contextlib.suppress(asyncio.CancelledError):
        loading.exception()


def _warn(loading: asyncio.Task[None]) -> None:
    if not loading.cancelled() and (error := loading.exception()) is not None:
        _log.error("this server will not be able to search by meaning after the switch", error=str(error))
