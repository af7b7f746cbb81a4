"""What administrators do to whole data sets is recorded here; what they do to accounts and keys, where it is done."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from reflexio_server.access.caller import current_caller
from reflexio_server.access.policy import Requirement, is_enough
from reflexio_server.domain.access import AuditOutcome
from reflexio_server.domain.errors import ReflexioError
from reflexio_server.rpc.authors import author_of
from reflexio_server.rpc.interceptors.base import CallInterceptor, Context, Handler, Proceed
from reflexio_server.store import audit
from reflexio_server.store.database import Database

_log = structlog.get_logger("reflexio.rpc")


def _user(user_id: str) -> str:
    """A user's name in the trail, which outlives the user: whoever knows the id can tell that it was this one."""
    return f"user sha256:{hashlib.sha256(user_id.encode()).hexdigest()[:16]}"


def _retention(request: Any) -> str:
    return f"{request.max_age.seconds} seconds" if request.HasField("max_age") else "for ever"


def _export(request: Any) -> str | None:
    # That of one user is reading, which any key may do as often as it likes: the trail, never pruned, would be its to
    # fill. So would it be with what is refused for want of a role.
    if request.user_id or not is_enough(current_caller.get(), Requirement.ADMIN):
        return None
    return "everything"


AUDITED: Mapping[str, tuple[str, Callable[[Any], str | None]]] = {
    "/reflexio.v1.RequestService/DeleteAllInteractions": ("delete_all_interactions", lambda _: "everything"),
    "/reflexio.v1.DataService/EraseUser": ("erase_user", lambda request: _user(request.user_id)),
    "/reflexio.v1.DataService/ExportData": ("export_data", _export),
    "/reflexio.v1.DataService/ImportData": ("import_data", lambda _: "a stream of requests"),
    "/reflexio.v1.DataService/UpdateRetention": ("update_retention", _retention),
    "/reflexio.v1.ServerService/StartReindex": (
        "start_reindex",
        lambda request: request.embedding_model or "the model of the settings",
    ),
    "/reflexio.v1.ServerService/CancelReindex": ("cancel_reindex", lambda _: "the change under way"),
}
"""By method: what it is called in the trail, and on what it is done; None where it is not recorded."""


class Auditing(CallInterceptor):
    """Records an act before it is done, so that none is done without a trace; and again how it ended."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    def wrap(self, method: str, handler: Handler) -> Handler:
        """As the others, but leaves alone what is not recorded."""
        return super().wrap(method, handler) if method in AUDITED else handler

    async def call(self, method: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Record the call, and make it."""
        action, target_of = AUDITED[method]
        target = target_of(request)
        if target is None:
            return await proceed(request, context)
        await self._record(context, action, target, AuditOutcome.ATTEMPTED)
        try:
            answer = await proceed(request, context)
        except BaseException:
            # A caller who hangs up is among them. What follows is written also if the call is ended once more.
            await asyncio.shield(self._record_end(context, action, target, AuditOutcome.FAILED))
            raise
        await asyncio.shield(self._record_end(context, action, target, AuditOutcome.DONE))
        return answer

    async def _record_end(self, context: Context, action: str, target: str, outcome: AuditOutcome) -> None:
        try:
            await self._record(context, action, target, outcome)
        except ReflexioError as error:
            # What was done, or went wrong, is more than that it could not be written down.
            _log.warning("how an act ended was not recorded", act=action, reason=error.reason.name)

    async def _record(self, context: Context, action: str, target: str, outcome: AuditOutcome) -> None:
        org_id = current_caller.get().org_id
        async with self._database.direct(org_id) as connection:
            await audit.record(connection, org_id, author_of(context), action, target, outcome)
