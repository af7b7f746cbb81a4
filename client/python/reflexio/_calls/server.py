"""Calls of the ServerService."""

from reflexio._calls.call import Call, Method
from reflexio._channel import TimeoutClass
from reflexio.models import ServerInfo, WhoAmI
from reflexio.v1 import server_service_pb2 as pb

_SERVICE = "reflexio.v1.ServerService"
WHO_AM_I = Method(_SERVICE, "WhoAmI", pb.WhoAmIRequest, pb.WhoAmIResponse)
SERVER_INFO = Method(_SERVICE, "GetServerInfo", pb.GetServerInfoRequest, pb.GetServerInfoResponse)

_ROLES = {pb.ACCESS_ROLE_READER: "reader", pb.ACCESS_ROLE_MEMBER: "member", pb.ACCESS_ROLE_ADMIN: "admin"}


def who_am_i() -> Call[WhoAmI]:
    """Asks what the caller's credential gives."""

    def read(answer: pb.WhoAmIResponse) -> WhoAmI:
        return WhoAmI(
            organization_id=answer.organization_id,
            organization_name=answer.organization_name,
            role=_ROLES.get(answer.role, "unknown"),
        )

    return Call(WHO_AM_I, pb.WhoAmIRequest(), read, TimeoutClass.QUICK)


def server_info() -> Call[ServerInfo]:
    """Asks what the server is."""

    def read(answer: pb.GetServerInfoResponse) -> ServerInfo:
        return ServerInfo(
            version=answer.version,
            embedding_model=answer.embedding_model,
            embedding_dimension=answer.embedding_dimension,
            storage_type=answer.storage_type,
            storage_label=answer.storage_label,
            max_message_bytes=answer.max_message_bytes,
            embedding_backlog_count=answer.embedding_backlog_count,
            embedding_set_aside_count=answer.embedding_set_aside_count,
        )

    return Call(SERVER_INFO, pb.GetServerInfoRequest(), read, TimeoutClass.QUICK)
