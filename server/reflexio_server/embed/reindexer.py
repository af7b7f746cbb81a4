"""Builds the vectors of another embedding model while the active one serves, and switches to them.

One server at a time holds the lease of a model and does the work; where it dies, another goes on when the lease has run
out. All servers look at the table of models: to load what is being built, and to follow the switch.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import structlog

from reflexio_server.domain.errors import PASSING_FAULTS, EmbeddingModelUnavailable, NotReady, ReindexUnderWay
from reflexio_server.embed.embedder import ModelUnavailable
from reflexio_server.embed.models import EmbeddingModels
from reflexio_server.embed.rebuilding import NewVectors
from reflexio_server.store import embedding_models, model_switch, reindexing, retired_vectors
from reflexio_server.store.database import Database
from reflexio_server.store.embedding_models import BUILDING, RETIRED, KnownModel, Lease, LeaseLost
from reflexio_server.store.reach import Purpose

_log = structlog.get_logger("reflexio.reindex")

LEASE_SECONDS = 15.0
"""How long after the death of a server another one goes on with its work."""

_LOOK_SECONDS = 1.0
"""How often to look at the table of models."""

_PASS = 10_000
"""How many interactions that came meanwhile are looked at in one go."""

_MOST_REQUEUED = 500
"""How many interactions may lack vectors at the switch; they are embedded right after it."""

_MOST_FAILED = 100
"""A model that fails on more texts than that, and on more than one in ten, is not switched to."""

_REMOVED = 2000
_REMOVE_PAUSE = 0.05
"""How many vectors to remove at a time, and how long to rest after that: nobody waits for it."""


class Reindexer:
    """Changes the embedding model. To be used from one event loop."""

    def __init__(self, database: Database, models: EmbeddingModels) -> None:
        self._database = database
        self._models = models
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._lease: Lease | None = None

    @property
    def configured(self) -> str:
        """The model that the settings name."""
        return self._models.configured

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._look_forever()), asyncio.create_task(self._work_forever())]

    async def stop(self) -> None:
        """End, also in the middle. Another server, or this one when it comes back, goes on from there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lease is not None:
            with contextlib.suppress(*PASSING_FAULTS, LeaseLost):
                async with self._database.autocommit(None) as connection:
                    await embedding_models.renew(connection, self._lease, 0)

    async def known(self) -> Sequence[KnownModel]:
        """All models of which there are or will be vectors.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        async with self._database.autocommit(None) as connection:
            return await embedding_models.all_known(connection)

    async def begin(self, model: str) -> None:
        """Have a model built and switched to. Nothing happens where it is being built or active.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            EmbeddingModelUnavailable: It cannot be loaded here.
            ReindexUnderWay: Another one is being built.
        """
        building = [known.name for known in await self.known() if known.state == BUILDING]
        if building == [model]:
            return
        if building:
            raise ReindexUnderWay(building[0])
        try:
            thread = await self._models.load(model, afresh=True)
        except ModelUnavailable as error:
            raise EmbeddingModelUnavailable(model, str(error)) from error
        await embedding_models.begin(self._database, model, thread.embedder.dimension)
        self._wake.set()

    async def cancel(self) -> str | None:
        """Give up what is being built. Returns its name; None where nothing was.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
        """
        return await embedding_models.cancel(self._database)

    async def _look_forever(self) -> None:
        while True:
            with _logged("could not look at the embedding models"):
                known = await self.known()
                await self._models.keep(known)
                await self._models.follow()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _work_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            with _logged("could not go on with the change of the embedding model"):
                for model in await self.known():
                    if model.state in {BUILDING, RETIRED}:
                        await self._work_on(model)

    async def _work_on(self, model: KnownModel) -> None:
        # First, so that a server that cannot load it leaves the work to others.
        thread = await self._models.load(model.name) if model.state == BUILDING else None
        async with self._database.autocommit(None) as connection:
            lease = await embedding_models.claim(connection, model.name, model.state, LEASE_SECONDS)
        if lease is None:
            return
        self._lease = lease
        if thread is not None:
            working = asyncio.create_task(self._build(lease, NewVectors(self._database, lease, thread, self._models)))
        else:
            working = asyncio.create_task(self._remove(lease))
        renewing = asyncio.create_task(self._renew(lease))
        try:
            await asyncio.wait([working, renewing], return_when=asyncio.FIRST_COMPLETED)
            if renewing.done() and not working.done():
                renewing.result()
            await working
        finally:
            working.cancel()
            renewing.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
        self._lease = None

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with contextlib.suppress(*PASSING_FAULTS):
                async with self._database.autocommit(None) as connection:
                    await embedding_models.renew(connection, lease, LEASE_SECONDS)

    async def _build(self, lease: Lease, new: NewVectors) -> None:
        _log.info("building the vectors of an embedding model", model=lease.model, after=lease.walked_to)
        if not lease.is_walked:
            await new.walk()
            await reindexing.complete_up_to(self._database, lease, lease.complete_up_to)
        complete = lease.complete_up_to
        while True:
            if await self._fails_too_often(lease):
                await embedding_models.cancel(self._database, lease.token)
                return
            if await model_switch.switch(self._database, lease, complete, _MOST_REQUEUED):
                break
            version = await reindexing.newest_version(self._database)
            await self._pass(new, lease, complete)
            await reindexing.complete_up_to(self._database, lease, version)
            complete = version
        _log.info("switched to an embedding model", model=lease.model)
        await self._models.follow()

    async def _pass(self, new: NewVectors, lease: Lease, version: int) -> None:
        """Build for what came after `version` and before now."""
        while True:
            async with self._database.autocommit(Purpose.REINDEXING) as connection:
                places = await reindexing.came_since(connection, lease, version, _PASS)
            await new.build(places)
            if len(places) < _PASS:
                return

    async def _fails_too_often(self, lease: Lease) -> bool:
        [model] = [known for known in await self.known() if known.name == lease.model]
        if model.failed <= max(_MOST_FAILED, model.done // 10):
            return False
        _log.error(
            "gave up an embedding model: it fails too often",
            model=lease.model,
            failed=model.failed,
            interactions=model.done,
        )
        return True

    async def _remove(self, lease: Lease) -> None:
        place: tuple[int, int] | None = (0, 0)
        while place is not None:
            place = await retired_vectors.remove(self._database, lease, place, _REMOVED)
            await asyncio.sleep(_REMOVE_PAUSE)
        _log.info("removed the vectors of an embedding model", model=lease.model)


@contextlib.contextmanager
def _logged(event: str) -> Iterator[None]:
    """Whatever fails is tried again at the next look."""
    try:
        yield
    except (*PASSING_FAULTS, LeaseLost, NotReady) as error:
        _log.debug(event, reason=type(error).__name__)
    except ModelUnavailable as error:
        # Told once, when it was to be loaded.
        _log.debug(event, reason=str(error))
    except Exception:  # noqa: BLE001 -- it must not end for good because it failed once.
        _log.exception(event)
