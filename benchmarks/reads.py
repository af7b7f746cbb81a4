"""Listing a thousand requests with their interactions, and deleting a session of as many."""

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from reflexio.v1 import request_service_pb2 as pb

from benchmarks import bare_sql
from benchmarks.database import connect
from benchmarks.filling import write_history
from benchmarks.report import Section, at_most, slower
from benchmarks.stand import Stand
from benchmarks.timing import Contender, in_turns
from benchmarks.workload import Effort

FLOOR, SERVICE, CLIENT = "floor", "service", "client"

_REQUESTS = 1_000
_PER_REQUEST = 2
_READER = "lister"
_DELETER = "deleter"


async def section(stand: Stand, effort: Effort) -> Section:
    """Both calls beside the bare SQL that each needs, straight through asyncpg in the benchmark's own process."""
    connection = await connect(stand.service.database_url)
    try:
        sessions = _sessions(effort)
        for user_id, session_id in [(_READER, "listed"), *((_DELETER, session_id) for session_id in sessions)]:
            size = _REQUESTS * _PER_REQUEST
            await write_history(connection, user_id, size, session_id=session_id, per_request=_PER_REQUEST)
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
        listed = await in_turns(_listing(stand, connection), effort)
        deleted = await _deleting(stand, connection, sessions)
    finally:
        await connection.close()
    p50 = {name: sample.percentile(50) for name, sample in listed.items()}
    what = f"{_REQUESTS:,} requests of {_PER_REQUEST} interactions"
    return Section(
        "Reads and deletes",
        [
            slower(
                f"list {what}: p50, against SQL and serialisation",
                p50[FLOOR],
                p50[SERVICE],
                at_most(2),
                client=p50[CLIENT],
                headline=True,
            ),
            slower(
                f"delete a session of {what}: p50, against SQL",
                deleted[FLOOR],
                deleted[SERVICE],
                at_most(3),
                client=deleted[CLIENT],
                headline=True,
            ),
        ],
        by_client={"list": p50[CLIENT], "delete": deleted[CLIENT]},
    )


def _listing(stand: Stand, connection: Any) -> dict[str, Contender[Any]]:
    async def nothing(calls: int) -> range:
        return range(calls)

    async def floor(_caller: int, _number: int) -> None:
        await bare_sql.list_requests(connection, _READER, _REQUESTS)

    async def service(_caller: int, _number: int) -> None:
        answer = await stand.service.stubs.requests.ListRequests(
            pb.ListRequestsRequest(user_id=_READER, page_size=_REQUESTS)
        )
        _check(sum(len(session.requests) for session in answer.sessions))

    async def client(_caller: int, _number: int) -> None:
        answer = await stand.service.by_client(1, "get_requests", _READER, top_k=_REQUESTS)
        _check(sum(len(session.requests) for session in answer.sessions))

    return {
        FLOOR: Contender(nothing, floor),
        SERVICE: Contender(nothing, service),
        CLIENT: Contender(nothing, client),
    }


def _sessions(effort: Effort) -> list[str]:
    # One more turn for each contender, which does not count.
    return [f"deleted {number}" for number in range(3 * (effort.rounds + 1))]


async def _deleting(stand: Stand, connection: Any, sessions: list[str]) -> dict[str, float]:
    """Milliseconds at the median. Each session can be deleted once, so the contenders take one each in turn."""

    async def floor(session_id: str) -> None:
        await bare_sql.delete_session(connection, session_id)

    async def service(session_id: str) -> None:
        request = pb.DeleteSessionRequest(session_id=session_id, wait_for_response=True)
        answer = await stand.service.stubs.requests.DeleteSession(request)
        _check(answer.deleted_requests_count)

    async def client(session_id: str) -> None:
        answer = await stand.service.by_client(1, "delete_session", session_id, wait_for_response=True)
        _check(answer.deleted_requests_count)

    contenders: dict[str, Callable[[str], Awaitable[None]]] = {FLOOR: floor, SERVICE: service, CLIENT: client}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for start in range(0, len(sessions), len(contenders)):
        for (name, delete), session_id in zip(contenders.items(), sessions[start:], strict=False):
            started = time.perf_counter()
            await delete(session_id)
            # The first turn finds statements unprepared.
            if start:
                seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * statistics.median(taken) for name, taken in seconds.items()}


def _check(requests: int | None) -> None:
    if requests != _REQUESTS:
        message = f"{requests} requests instead of {_REQUESTS}"
        raise RuntimeError(message)
