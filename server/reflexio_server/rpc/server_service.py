"""ServerService: who the caller is, and what it talks to."""

from dataclasses import dataclass

from reflexio.v1 import server_service_pb2 as pb
from reflexio.v1 import server_service_pb2_grpc as rpc

from reflexio_server import __version__
from reflexio_server.access.caller import AccessRole, current_caller
from reflexio_server.embed.backlog import Backlog
from reflexio_server.embed.embedder import Embedder
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.store.location import StorageLocation

_ROLES = {
    AccessRole.READER: pb.ACCESS_ROLE_READER,
    AccessRole.MEMBER: pb.ACCESS_ROLE_MEMBER,
    AccessRole.ADMIN: pb.ACCESS_ROLE_ADMIN,
}


@dataclass(frozen=True)
class ServerService(rpc.ServerServiceServicer):
    """Answers the calls of `reflexio.v1.ServerService`, whose comments say what each does."""

    embedder: Embedder
    backlog: Backlog
    location: StorageLocation
    max_message_bytes: int

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Context) -> pb.WhoAmIResponse:
        caller = current_caller.get()
        return pb.WhoAmIResponse(
            organization_id=caller.org_id, organization_name=caller.org_name, role=_ROLES[caller.role]
        )

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Context) -> pb.GetServerInfoResponse:
        waiting, set_aside = await self.backlog.counts(current_caller.get().org_id)
        return pb.GetServerInfoResponse(
            version=__version__,
            embedding_model=self.embedder.name,
            embedding_dimension=self.embedder.dimension,
            storage_type=self.location.storage_type,
            storage_label=self.location.storage_label,
            max_message_bytes=self.max_message_bytes,
            embedding_backlog_count=waiting,
            embedding_set_aside_count=set_aside,
        )
