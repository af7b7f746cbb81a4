"""The one place that builds things: started along the data's way, stopped in reverse."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from reflexio_server.access.passwords import Passwords
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.backlog_limits import BacklogLimits
from reflexio_server.embed.embedder import Embedder
from reflexio_server.embed.models import EmbeddingModels
from reflexio_server.embed.packaged_embedder import embedder_for
from reflexio_server.embed.reindexer import Reindexer
from reflexio_server.identity.authenticator import Authenticator
from reflexio_server.identity.directory import Directory
from reflexio_server.identity.logins import Logins
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.index.stale_sweep import StaleSweep
from reflexio_server.publish.housekeeping import Housekeeping
from reflexio_server.publish.importer import Importer
from reflexio_server.publish.publisher import Publisher
from reflexio_server.publish.retention import Retention
from reflexio_server.rpc.access_service import AccessService
from reflexio_server.rpc.call_limits import CallLimits
from reflexio_server.rpc.certificates import CertificateFiles, Certificates
from reflexio_server.rpc.data_service import DataService
from reflexio_server.rpc.interaction_service import InteractionService
from reflexio_server.rpc.listening import check_doors
from reflexio_server.rpc.request_service import RequestService
from reflexio_server.rpc.server import Server
from reflexio_server.rpc.server_service import ServerService
from reflexio_server.rpc.transport import Transport
from reflexio_server.search.exporter import Exporter
from reflexio_server.search.lister import Lister
from reflexio_server.search.searcher import Searcher
from reflexio_server.settings import Settings
from reflexio_server.store import accounts
from reflexio_server.store.database import Database
from reflexio_server.store.database_watch import DatabaseWatch
from reflexio_server.store.driver_errors import privileged
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from reflexio_server.store.importing import ImportStore
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.location import StorageLocation, driver_url, location_of
from reflexio_server.store.migrate import migrate
from reflexio_server.store.publications import PublicationStore
from reflexio_server.store.roles import require_barrier, role_for
from reflexio_server.store.running_postgres import running
from reflexio_server.store.text_search import require_config
from reflexio_server.telemetry import metrics
from reflexio_server.validate.content import ContentRules
from reflexio_server.validate.images import ImageRules

_MIB = 1024 * 1024

_NEW_OBJECTS_BETWEEN_COLLECTIONS = 20_000


class Application:
    """A whole server. `async with Application(settings)` runs it for the length of the block."""

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | None = None,
        *,
        embedder_for: Callable[[str], Embedder] = embedder_for,
        worker_of: StorageLocation | None = None,
    ) -> None:
        """Build everything without touching anything outside, in the event loop that will run it.

        Args:
            settings: What the operator chose.
            embedder: Another embedding model than the settings name.
            embedder_for: Makes the model of a name, not loaded.
            worker_of: For one of several servers that share the port: how to speak of their common storage.

        Raises:
            InvalidDatabaseUrl: The settings' URL names no Postgres.
            UnsafeSettings: The settings would leave a door open, or name certificates that are of no use.
        """
        check_doors(settings)
        files = CertificateFiles.of(settings)
        self._settings = settings
        self._state = "starting"
        self._stopping = asyncio.Event()
        self._running = AsyncExitStack()
        url = settings.database_url.get_secret_value() if settings.database_url is not None else None
        self._database_url = driver_url(url) if url is not None else None
        self._shares_port = worker_of is not None
        self.location = location = worker_of or location_of(url, settings.data_dir)
        """Where the data is."""

        database = Database(
            pool_size=settings.database_pool_size,
            statement_cache_size=settings.database_statement_cache_size,
            transaction_pooling=settings.database_transaction_pooling,
        )
        self._database = database

        def chosen(name: str) -> Embedder:
            return embedder if embedder is not None and embedder.name == name else embedder_for(name)

        configured = embedder.name if embedder is not None else settings.embedding_model
        self._models = EmbeddingModels(database, chosen, configured)
        self._limits = BacklogLimits(
            database,
            most_of_user=settings.max_user_backlog,
            most_of_organization=settings.max_organization_backlog,
            stopping=self._stopping,
        )
        self._backlog = Backlog(database, self._models, self._limits.left)
        self._models.after_switch = self._backlog.start_over
        self._reindexer = Reindexer(database, self._models)
        self._index = PartitionCache(database, self._models, memory_bytes=settings.index_memory_mb * _MIB)
        self._stale_sweep = StaleSweep(self._index)
        interaction_ids = InteractionIds(database)
        publications = PublicationStore(database, interaction_ids, settings.text_search_config)
        imports = ImportStore(database, interaction_ids, settings.text_search_config)
        self._housekeeping = Housekeeping(database, publications, Retention(database))
        self._passwords = Passwords()
        content_rules = ContentRules(
            ImageRules(settings.max_image_mb * _MIB, settings.max_image_megapixels * 1_000_000),
            most_interactions=settings.max_interactions_per_request,
            most_query_bytes=settings.max_query_bytes,
            most_tool_bytes=settings.max_tool_data_bytes,
            deepest_tool_data=settings.max_tool_data_depth,
        )
        lister = Lister(database)
        self._server = Server(
            InteractionService(
                publisher=Publisher(publications, self._backlog, self._limits),
                searcher=Searcher(
                    database,
                    self._models,
                    self._backlog,
                    self._index,
                    settings.text_search_config,
                    settings.max_message_mb * _MIB,
                ),
                lister=lister,
                database=database,
                location=location,
                content_rules=content_rules,
                search_wait_seconds=settings.search_wait_seconds,
                stopping=self._stopping,
            ),
            RequestService(lister, database),
            DataService(
                Exporter(
                    database,
                    settings.max_concurrent_exports,
                    # Where everybody is of the same organisation there is nobody to leave room for.
                    max(settings.max_concurrent_exports // 2, 1)
                    if settings.auth == "api-key"
                    else settings.max_concurrent_exports,
                ),
                Importer(imports, self._backlog, self._limits),
                database,
                content_rules,
            ),
            ServerService(self._reindexer, self._backlog, self._index, location, settings.max_message_mb * _MIB),
            AccessService(
                Logins(database, self._passwords),
                Directory(database, self._passwords),
                asks_for_keys=settings.auth == "api-key",
            ),
            authenticator=Authenticator(database) if settings.auth == "api-key" else None,
            transport=Transport.of(settings, shares_port=self._shares_port),
            certificates=Certificates(files) if files is not None else None,
            limits=CallLimits.of(settings),
            state=lambda: self._state,
            with_reflection=settings.reflection,
        )
        self._database_answers = False
        self.port = 0
        """The port that it listens on, once it does."""

    async def start(self) -> None:
        """Start everything. When this returns, calls are answered.

        Raises:
            CannotListen: The address is taken or is not this machine's.
            DataFolderInUse: Another server uses the folder of the embedded Postgres.
            EmbeddedPostgresFailed: The embedded Postgres does not start.
            DatabaseUnavailable: The Postgres of the settings cannot be reached.
            DatabaseRefuses: It does not let the user of the settings do what a server does.
            BarrierNotKept: It would not keep organisations apart for the user of the settings.
            SchemaTooNew: A newer version of the server has migrated it.
            UnknownTextSearchConfig: Postgres does not have the one of the settings.
            ModelUnavailable: The active embedding model cannot be loaded.
        """
        async with privileged(), AsyncExitStack() as started:
            if not self._shares_port:
                await self._listen(started)
            # Side by side: the model takes seconds to load, Postgres one to start.
            self._models.begin_loading()
            started.push_async_callback(self._models.stop)
            url, revive = await self._database_to_use(started)
            self._database.open(url, await role_for(url))
            started.push_async_callback(self._database.close)
            started.callback(self._index.close)
            started.callback(self._passwords.close)
            await require_barrier(self._database)
            await migrate(self._database)
            await require_config(self._database, self._settings.text_search_config)
            if self._settings.auth == "none":
                await accounts.warn_if_there_are_any(self._database)
            await self._models.start()
            self._limits.start()
            started.push_async_callback(self._limits.stop)
            self._backlog.start()
            started.push_async_callback(self._backlog.stop)
            self._reindexer.start()
            started.push_async_callback(self._reindexer.stop)
            self._housekeeping.start()
            started.push_async_callback(self._housekeeping.stop)
            self._stale_sweep.start()
            started.push_async_callback(self._stale_sweep.stop)
            # What was loaded stays: the garbage collector need not look through it again and again.
            gc.collect()
            gc.freeze()
            # A call makes hundreds of objects that are gone at its end: looking for cycles among them finds nothing.
            gc.set_threshold(_NEW_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
            if self._shares_port:
                # Not before: callers would be sent here who are answered elsewhere.
                await self._listen(started)
            self._state = "serving"
            self._database_answers = True
            self._server.set_serving(serving=True)
            self._tell_gauges()
            started.callback(metrics.forget_sources)
            self._watch(url, revive, started)
            self._running = started.pop_all()

    async def stop(self) -> None:
        """Refuse new calls, let those in flight end, and stop everything in reverse order."""
        self._state = "stopping"
        self._stopping.set()
        self._server.set_serving(serving=False)
        await self._server.stop(self._settings.drain_seconds, self._settings.lame_duck_seconds)
        await self._running.aclose()

    async def _listen(self, started: AsyncExitStack) -> None:
        self.port = await self._server.start(self._settings.host, self._settings.port)
        started.push_async_callback(self._server.stop, 0)

    async def _database_to_use(self, started: AsyncExitStack) -> tuple[str, Callable[[], bool] | None]:
        """The URL of Postgres, and what starts it again where that is our business."""
        if self._database_url is not None:
            return self._database_url, None
        postgres = EmbeddedPostgres(self._settings.data_dir, connections=self._settings.database_connections)
        return await started.enter_async_context(running(postgres)), postgres.restart_if_dead

    def _watch(self, url: str, revive: Callable[[], bool] | None, started: AsyncExitStack) -> None:
        watch = DatabaseWatch(
            url,
            on_change=self._on_database,
            cut_connections=self._database.abandon_connections,
            revive=revive,
            hint=self._database.missed,
        )
        watch.start()
        started.push_async_callback(watch.stop)

    def _tell_gauges(self) -> None:
        """Answer those who ask for metrics, as long as it runs. They ask from other threads."""
        metrics.serving.source = lambda: int(self._state == "serving" and self._database_answers)
        metrics.database_up.source = lambda: int(self._database_answers)
        metrics.connections_used.source = lambda: self._database.connections_used
        metrics.connections_most.source = lambda: self._settings.database_pool_size
        metrics.waiting.source = lambda: self._limits.waiting
        metrics.oldest_waiting.source = lambda: self._limits.oldest_seconds
        metrics.set_aside.source = lambda: self._limits.set_aside
        metrics.index_bytes.source = lambda: self._index.nbytes
        metrics.index_most_bytes.source = lambda: self._settings.index_memory_mb * _MIB
        metrics.index_partitions.source = lambda: len(self._index)

    async def _on_database(self, answers: bool) -> None:
        self._database_answers = answers
        if self._state == "serving":
            self._server.set_serving(serving=answers)
        if answers:
            self._backlog.wake()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
