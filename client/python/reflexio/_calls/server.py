"""Calls of the ServerService."""

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import text
from reflexio._channel import TimeoutClass
from reflexio.models import CancelReindexResponse, Reindex, ServerInfo, SetAsideInteraction, WhoAmI
from reflexio.v1 import server_service_pb2 as pb

_SERVICE = "reflexio.v1.ServerService"
WHO_AM_I = Method(_SERVICE, "WhoAmI", pb.WhoAmIRequest, pb.WhoAmIResponse)
SERVER_INFO = Method(_SERVICE, "GetServerInfo", pb.GetServerInfoRequest, pb.GetServerInfoResponse)
START_REINDEX = Method(_SERVICE, "StartReindex", pb.StartReindexRequest, pb.StartReindexResponse)
CANCEL_REINDEX = Method(_SERVICE, "CancelReindex", pb.CancelReindexRequest, pb.CancelReindexResponse)

_STATES = {pb.REINDEX_STATE_BUILDING: "building", pb.REINDEX_STATE_COMPLETE: "complete"}
ROLES = {pb.ACCESS_ROLE_READER: "reader", pb.ACCESS_ROLE_MEMBER: "member", pb.ACCESS_ROLE_ADMIN: "admin"}


def who_am_i() -> Call[WhoAmI]:
    """Asks what the caller's credential gives."""

    def read(answer: pb.WhoAmIResponse) -> WhoAmI:
        return WhoAmI(
            organization_id=answer.organization_id,
            organization_name=answer.organization_name,
            role=ROLES.get(answer.role, "unknown"),
            account_email=answer.account_email or None,
            api_key_id=answer.api_key_id or None,
            certificate_uri=answer.certificate_uri or None,
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
            configured_embedding_model=answer.configured_embedding_model,
            reindex=_reindex_from(answer.reindex) if answer.HasField("reindex") else None,
            newest_set_aside=[
                SetAsideInteraction(user_id=s.user_id, interaction_id=s.interaction_id, reason=s.reason)
                for s in answer.newest_set_aside
            ],
            oldest_waiting_seconds=_seconds(answer),
            index_memory_bytes=answer.index_memory_bytes,
            index_users_count=answer.index_users_count,
        )

    return Call(SERVER_INFO, pb.GetServerInfoRequest(), read, TimeoutClass.QUICK)


def start_reindex(*, embedding_model: str) -> Call[Reindex]:
    """Has everything embedded with another model."""

    def read(answer: pb.StartReindexResponse) -> Reindex:
        return _reindex_from(answer.reindex)

    request = pb.StartReindexRequest(embedding_model=text("embedding_model", embedding_model))
    return Call(START_REINDEX, request, read, TimeoutClass.WAITING)


def cancel_reindex() -> Call[CancelReindexResponse]:
    """Gives up the change to another model."""

    def read(answer: pb.CancelReindexResponse) -> CancelReindexResponse:
        return CancelReindexResponse(embedding_model=answer.embedding_model or None)

    return Call(CANCEL_REINDEX, pb.CancelReindexRequest(), read, TimeoutClass.USUAL)


def _seconds(answer: pb.GetServerInfoResponse) -> float | None:
    age = answer.oldest_waiting_age
    return age.seconds + age.nanos / 1e9 if answer.HasField("oldest_waiting_age") else None


def _reindex_from(reindex: pb.Reindex) -> Reindex:
    return Reindex(
        embedding_model=reindex.embedding_model,
        state=_STATES.get(reindex.state, "unknown"),
        done_count=reindex.done_count,
        total_count=reindex.total_count,
        failed_count=reindex.failed_count,
        started_at=reindex.started_at.seconds,
    )
