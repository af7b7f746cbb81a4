"""ServerService: who the caller is, and what it talks to."""

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from reflexio.v1 import server_service_pb2 as pb
from reflexio.v1 import server_service_pb2_grpc as rpc

from reflexio_server import __version__
from reflexio_server.access.caller import AccessRole, CredentialKind, current_caller
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.reindexer import Reindexer
from reflexio_server.index.partition_cache import PartitionCache
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.store.embedding_models import ACTIVE, BUILDING, KnownModel
from reflexio_server.store.location import StorageLocation

_ROLES = {
    AccessRole.READER: pb.ACCESS_ROLE_READER,
    AccessRole.MEMBER: pb.ACCESS_ROLE_MEMBER,
    AccessRole.ADMIN: pb.ACCESS_ROLE_ADMIN,
}

_STATES = {ACTIVE: pb.REINDEX_STATE_COMPLETE, BUILDING: pb.REINDEX_STATE_BUILDING}


@dataclass(frozen=True)
class ServerService(rpc.ServerServiceServicer):
    """Answers the calls of `reflexio.v1.ServerService`, whose comments say what each does."""

    reindexer: Reindexer
    backlog: Backlog
    index: PartitionCache
    location: StorageLocation
    max_message_bytes: int

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Context) -> pb.WhoAmIResponse:
        caller = current_caller.get()
        kind = caller.credential_kind
        return pb.WhoAmIResponse(
            organization_id=caller.org_id,
            organization_name=caller.org_name,
            role=_ROLES[caller.role],
            account_email=caller.subject if caller.account_id is not None else "",
            api_key_id=int(caller.credential_id) if kind is CredentialKind.API_KEY else 0,
            certificate_uri=caller.credential_id if kind is CredentialKind.CERTIFICATE else "",
        )

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Context) -> pb.GetServerInfoResponse:
        caller = current_caller.get()
        org_id = caller.org_id
        waiting, set_aside, oldest_seconds = await self.backlog.counts(org_id)
        newest_set_aside = await self.backlog.newest_set_aside(org_id) if set_aside else ()
        models = {known.state: known for known in await self.reindexer.known()}
        index_bytes, index_users = self.index.held_of(org_id)
        return pb.GetServerInfoResponse(
            version=__version__,
            embedding_model=models[ACTIVE].name,
            embedding_dimension=models[ACTIVE].dimension,
            storage_type=self.location.storage_type,
            storage_label=self.location.storage_label,
            max_message_bytes=self.max_message_bytes,
            embedding_backlog_count=waiting,
            embedding_set_aside_count=set_aside,
            configured_embedding_model=self.reindexer.configured,
            reindex=_reindex_to(models[BUILDING]) if BUILDING in models and caller.is_operator else None,
            newest_set_aside=[
                pb.SetAsideInteraction(user_id=s.user_id, interaction_id=s.interaction_id, reason=s.reason)
                for s in newest_set_aside
            ],
            oldest_waiting_age=_duration(oldest_seconds) if oldest_seconds is not None else None,
            index_memory_bytes=index_bytes,
            index_users_count=index_users,
        )

    async def StartReindex(self, request: pb.StartReindexRequest, context: Context) -> pb.StartReindexResponse:
        model = request.embedding_model or self.reindexer.configured
        await self.reindexer.begin(model)
        # It may have been cancelled just now.
        known = [known for known in await self.reindexer.known() if known.name == model]
        return pb.StartReindexResponse(reindex=_reindex_to(known[0]) if known else None)

    async def CancelReindex(self, request: pb.CancelReindexRequest, context: Context) -> pb.CancelReindexResponse:
        return pb.CancelReindexResponse(embedding_model=await self.reindexer.cancel() or "")


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


def _reindex_to(known: KnownModel) -> pb.Reindex:
    reindex = pb.Reindex(
        embedding_model=known.name,
        state=_STATES.get(known.state, pb.REINDEX_STATE_UNSPECIFIED),
        done_count=known.done,
        total_count=known.total,
        failed_count=known.failed,
    )
    reindex.started_at.FromNanoseconds(known.started_at)
    return reindex
