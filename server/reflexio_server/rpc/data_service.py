"""DataService: export, import, erasure and retention."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from reflexio.v1 import data_service_pb2 as pb
from reflexio.v1 import data_service_pb2_grpc as rpc

from reflexio_server.access.caller import current_caller
from reflexio_server.access.policy import Requirement, require_of_call
from reflexio_server.domain.errors import ImportConflict, InvalidFields, MalformedRequest, ReflexioError
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.domain.request import ImportOutcome
from reflexio_server.publish.importer import Importer
from reflexio_server.rpc.deleted import deletion_message
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.rpc.nothing_missing import nothing_missing
from reflexio_server.rpc.records import record_from, record_to
from reflexio_server.rpc.refusals import counted
from reflexio_server.rpc.status import refusal_of
from reflexio_server.search.exporter import Exporter
from reflexio_server.store import erasure, retention
from reflexio_server.store.database import Database
from reflexio_server.validate.content import ContentRules

_AHEAD = 3
"""How many messages of an import are worked on beside the one that is answered next."""

_OUTCOMES = {
    ImportOutcome.IMPORTED: pb.IMPORT_OUTCOME_IMPORTED,
    ImportOutcome.ALREADY_THERE: pb.IMPORT_OUTCOME_ALREADY_THERE,
}

_Imported = pb.ImportDataRequest | ReflexioError
"""A message, or what the contract says against it."""

_Answering = asyncio.Task[pb.ImportDataResponse]


@dataclass(frozen=True, slots=True)
class _Ids:
    """The ids that a message of an import claims."""

    request_id: str
    first_interaction: int
    last_interaction: int

    @classmethod
    def of(cls, message: _Imported) -> "_Ids":
        if isinstance(message, ReflexioError):
            return cls("", 0, -1)
        ids = [interaction.interaction_id for interaction in message.request.interactions]
        return cls(message.request.request_id.lower(), min(ids, default=0), max(ids, default=-1))

    def overlap(self, other: "_Ids") -> bool:
        same = self.request_id == other.request_id
        return same or max(self.first_interaction, other.first_interaction) <= min(
            self.last_interaction, other.last_interaction
        )


@dataclass(frozen=True)
class DataService(rpc.DataServiceServicer):
    """Answers the calls of `reflexio.v1.DataService`, whose comments say what each does."""

    exporter: Exporter
    importer: Importer
    database: Database
    content_rules: ContentRules

    async def EraseUser(self, request: pb.EraseUserRequest, context: Context) -> pb.EraseUserResponse:
        counts = await erasure.erase_user(self.database, current_caller.get().org_id, UserId(request.user_id))
        return pb.EraseUserResponse(
            message=deletion_message(counts, f"user {request.user_id!r}"),
            deleted_requests_count=counts.requests,
            deleted_interactions_count=counts.interactions,
        )

    async def ExportData(self, request: pb.ExportDataRequest, context: Context) -> None:  # type: ignore[override]
        caller = current_caller.get()
        if not request.user_id:
            require_of_call(Requirement.ADMIN)
        user_id = UserId(request.user_id) if request.user_id else None
        async with self.exporter.open(caller.org_id, user_id) as snapshot:
            totals = await snapshot.totals()
            counts = pb.ExportTotals(requests_count=totals.requests, interactions_count=totals.interactions)
            await context.write(pb.ExportDataResponse(totals=counts))
            async for record in snapshot.records(with_images=not request.omit_images):
                # Waits while the caller has more than enough to read.
                await context.write(pb.ExportDataResponse(request=record_to(record)))

    async def ImportData(  # type: ignore[override]
        self, request: AsyncIterator[_Imported], context: Context
    ) -> None:
        org_id = current_caller.get().org_id
        under_way: asyncio.Queue[_Answering | None] = asyncio.Queue()
        room = asyncio.Semaphore(_AHEAD)
        recent: deque[tuple[_Ids, _Answering]] = deque(maxlen=_AHEAD + 2)

        async def read() -> None:
            try:
                async for message in nothing_missing(request):
                    ids = _Ids.of(message)
                    # Of two with the same ids the first is stored, as if they had come one after the other.
                    before = [task for earlier, task in recent if earlier.overlap(ids)]
                    task = asyncio.create_task(self._answer(org_id, message, before))
                    recent.append((ids, task))
                    under_way.put_nowait(task)
                    await room.acquire()
            finally:
                under_way.put_nowait(None)

        reading = asyncio.create_task(read())
        answering: _Answering | None = None
        try:
            while (answering := await under_way.get()) is not None:
                await context.write(await answering)
                room.release()
            await reading
        finally:
            # Where the caller is gone or the call has failed, nothing of it goes on.
            reading.cancel()
            await asyncio.wait([reading])
            waiting = [under_way.get_nowait() for _ in range(under_way.qsize())]
            tasks = [task for task in (answering, *waiting) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, org_id: OrgId, message: _Imported, before: Sequence[_Answering]) -> pb.ImportDataResponse:
        await asyncio.gather(*before, return_exceptions=True)
        request_id = ""
        try:
            if isinstance(message, ReflexioError):
                raise message
            request_id = message.request.request_id
            record = await record_from(message.request, self.content_rules)
            outcome = await self.importer.add(org_id, record)
        except (InvalidFields, MalformedRequest, ImportConflict) as error:
            return pb.ImportDataResponse(
                outcome=pb.IMPORT_OUTCOME_REFUSED, request_id=request_id, refusal=refusal_of(counted(error))
            )
        stored = len(record.interaction_ids) if outcome is ImportOutcome.IMPORTED else 0
        return pb.ImportDataResponse(
            outcome=_OUTCOMES[outcome], request_id=request_id, imported_interactions_count=stored
        )

    async def GetRetention(self, request: pb.GetRetentionRequest, context: Context) -> pb.GetRetentionResponse:
        seconds = await retention.max_age(self.database, current_caller.get().org_id)
        return pb.GetRetentionResponse(max_age=_duration(seconds))

    async def UpdateRetention(self, request: pb.UpdateRetentionRequest, context: Context) -> pb.UpdateRetentionResponse:
        seconds = request.max_age.seconds if request.HasField("max_age") else None
        await retention.set_max_age(self.database, current_caller.get().org_id, seconds)
        return pb.UpdateRetentionResponse(max_age=_duration(seconds))


def _duration(seconds: int | None) -> Duration | None:
    return Duration(seconds=seconds) if seconds is not None else None
