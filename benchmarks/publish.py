"""Publishing an exchange of two messages, while what was published before is embedded in the background."""

from collections.abc import Sequence
from typing import Any

from reflexio.v1 import interaction_service_pb2 as pb

from benchmarks import messages
from benchmarks.report import Row, Section, at_least, at_most, slower, throughput
from benchmarks.stand import Stand
from benchmarks.timing import Contender, Sample, in_turns
from benchmarks.workload import CALLERS, Effort, callers_text, exchanges

FLOOR, SERVICE, CLIENT = "floor", "service", "client"
_BESIDE = "floor beside the model"

_USERS = 50


async def section(stand: Stand, effort: Effort) -> Section:
    """Publishes that are acknowledged, with one caller and with several, and one that waits."""
    rows: list[Row] = []
    notes, by_client, plotted = [], {}, {}
    for callers in CALLERS:
        with_callers = callers_text(callers)
        samples = await in_turns(_acknowledged(stand), callers, effort)
        floor, service, client = (samples[name] for name in (FLOOR, SERVICE, CLIENT))
        rows += [
            throughput(
                f"publish acknowledged, {with_callers}: calls a second",
                floor.calls_per_second,
                service.calls_per_second,
                at_least(0.6),
                client=client.calls_per_second,
                headline=True,
            ),
            slower(
                f"publish acknowledged, {with_callers}: p50",
                floor.percentile(50),
                service.percentile(50),
                at_most(2),
                client=client.percentile(50),
            ),
            slower(
                f"publish acknowledged, {with_callers}: slowest call, against the service's own p50",
                service.percentile(50),
                service.percentile(100),
                at_most(20),
            ),
        ]
        notes.append(_note(with_callers, floor, samples[_BESIDE]))
        by_client[f"publish, {callers}"] = client.calls_per_second
        plotted[with_callers] = [(0, floor.calls_per_second), (1, service.calls_per_second)]
    rows.append(_waiting(await in_turns(publishing(stand, wait=True), 1, effort)))
    await stand.service.settle()
    return Section("Publish", rows, notes=notes, by_client=by_client, plotted=plotted)


def _note(with_callers: str, floor: Sample, beside: Sample) -> str:
    slowest = floor.percentile(100) / floor.percentile(50)
    quiet, busy = floor.calls_per_second, beside.calls_per_second
    return (
        f"With {with_callers} the floor's slowest call took {slowest:.0f} times its own p50. While the service's model "
        f"worked beside it the floor did {busy:,.0f} calls a second instead of {quiet:,.0f}."
    )


def _waiting(samples: dict[str, Sample]) -> Row:
    floor, service, client = (samples[name].percentile(50) for name in (FLOOR, SERVICE, CLIENT))
    return slower("publish waited for (until it can be found by meaning), 1 caller: p50", floor, service, client=client)


def publishing(stand: Stand, *, wait: bool, seed: int = 1) -> dict[str, Contender[Any]]:
    """The floor, the service, and the service through the Python client. Before each turn everything is embedded."""
    said = exchanges(seed)
    number = 0

    async def publishes(calls: int) -> list[tuple[str, list[dict[str, Any]]]]:
        nonlocal number
        # Whatever runs next is not to compete with what earlier publishes left to be embedded.
        await stand.service.settle()
        made = []
        for _ in range(calls):
            made.append((f"publisher-{number % _USERS}", next(said)))
            number += 1
        return made

    async def requests(calls: int) -> Sequence[pb.PublishInteractionsRequest]:
        return [messages.publish_request(user, turn, wait=wait) for user, turn in await publishes(calls)]

    async def floor(_caller: int, request: pb.PublishInteractionsRequest) -> None:
        await stand.floor.interactions.PublishInteractions(request)

    async def service(_caller: int, request: pb.PublishInteractionsRequest) -> None:
        await stand.service.stubs.interactions.PublishInteractions(request)

    async def client(_caller: int, what: tuple[str, list[dict[str, Any]]]) -> None:
        user_id, turn = what
        await stand.service.client.publish_interaction(
            user_id, turn, source=messages.SOURCE, session_id=messages.session_of(user_id), wait_for_response=wait
        )

    return {
        FLOOR: Contender(requests, floor),
        SERVICE: Contender(requests, service),
        CLIENT: Contender(publishes, client),
    }


def _acknowledged(stand: Stand) -> dict[str, Contender[Any]]:
    contenders = publishing(stand, wait=False)
    said = exchanges(8)

    async def beside_the_model(calls: int) -> Sequence[pb.PublishInteractionsRequest]:
        requests = await contenders[FLOOR].make(calls)
        for _ in range(calls):
            await stand.service.client.publish_interaction("backlog", next(said))
        return requests

    return {**contenders, _BESIDE: Contender(beside_the_model, contenders[FLOOR].call)}
