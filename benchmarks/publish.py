"""Publishing an exchange of two messages: acknowledged, and waited for."""

from collections.abc import AsyncIterator
from typing import Any

from reflexio.v1 import interaction_service_pb2 as pb

from benchmarks import messages
from benchmarks.floors import Connections, connections, new_database
from benchmarks.flows import PublishSteps, Steps, publishing
from benchmarks.report import ECHO, SERVICE, SQL, Row
from benchmarks.stand import Stand
from benchmarks.timing import Contender, in_turns
from benchmarks.workload import CALLERS, Effort, exchanges

_USERS = 50


async def measured(stand: Stand, effort: Effort) -> AsyncIterator[Row]:
    """A row for each way to publish and each number of callers."""
    # The floor writes into a database of its own what was noted in another: each key and id is stored once in each.
    noted_in = await new_database(stand.database_url)
    stored_in = await new_database(stand.database_url)
    async with (
        publishing(noted_in, stand.dimension, stand.settings) as steps,
        connections(stored_in, max(CALLERS)) as direct,
    ):
        for wait, call in ((False, "publish, acknowledged"), (True, "publish, waited for")):
            for callers in CALLERS:
                contenders = _contenders(stand, steps, direct, wait=wait)
                yield Row(call, callers, await in_turns(contenders, callers, effort))
    await stand.settle()


def _contenders(stand: Stand, steps: PublishSteps, direct: Connections, *, wait: bool) -> dict[str, Contender[Any]]:
    said = exchanges(1)
    number = 0

    async def publishes(calls: int) -> list[tuple[str, list[dict[str, Any]]]]:
        nonlocal number
        # Whatever runs next is not to compete with what earlier publishes left to be embedded.
        await stand.settle()
        made = []
        for _ in range(calls):
            made.append((f"publisher-{number % _USERS}", next(said)))
            number += 1
        return made

    async def requests(calls: int) -> list[pb.PublishInteractionsRequest]:
        return [messages.publish_request(user, turn, wait=wait) for user, turn in await publishes(calls)]

    async def noted(calls: int) -> list[Steps]:
        return await steps(await requests(calls))

    async def publish(_caller: int, what: tuple[str, list[dict[str, Any]]]) -> None:
        user_id, turn = what
        await stand.client.publish_interaction(
            user_id, turn, source=messages.SOURCE, session_id=messages.session_of(user_id), wait_for_response=wait
        )

    async def echo(_caller: int, request: pb.PublishInteractionsRequest) -> None:
        await stand.echo.PublishInteractions(request)

    return {SERVICE: Contender(publishes, publish), ECHO: Contender(requests, echo), SQL: Contender(noted, direct.send)}
