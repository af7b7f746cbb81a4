"""Publishing an exchange of two messages, while what was published before is embedded in the background."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

from reflexio.v1 import interaction_service_pb2 as pb

from benchmarks import messages
from benchmarks.report import Row, Section, at_least, at_most, slower, throughput
from benchmarks.stand import Service, Stand, Stubs
from benchmarks.timing import Contender, Sample, in_turns
from benchmarks.workload import CALLERS, Effort, callers_text, exchanges

FLOOR, SERVICE, CLIENT = "floor", "service", "client"
_BESIDE = "floor beside the model"

_USERS = 50
_OF_A_STREAM = 50

_Publish: TypeAlias = tuple[str, list[dict[str, Any]]]
"""Who says what."""


async def section(stand: Stand, effort: Effort) -> Section:
    """Publishes that are acknowledged, with one caller and with several, and one that waits."""
    rows: list[Row] = []
    notes, by_client, plotted = [], {}, {}
    for callers in CALLERS:
        with_callers = callers_text(callers)
        samples = await in_turns(_contenders(stand, callers, wait=False), effort)
        floor, service, client = (samples[name] for name in (FLOOR, SERVICE, CLIENT))
        rows += _rows(with_callers, floor, service, client)
        notes.append(_note(with_callers, floor, samples[_BESIDE]))
        by_client[f"publish, {callers}"] = client.calls_per_second
        plotted[with_callers] = [(0, floor.calls_per_second), (1, service.calls_per_second)]
    streamed = (await in_turns({CLIENT: _by_stream(stand.service)}, effort))[CLIENT].calls_per_second * _OF_A_STREAM
    by_client["publish, streamed"] = streamed
    notes.append(f"With 1 caller `publish_interactions`, which has several on their way, did {streamed:,.0f} a second.")
    waited = await in_turns(_contenders(stand, 1, wait=True), effort)
    p50 = {name: sample.percentile(50) for name, sample in waited.items()}
    call = "publish waited for (until it can be found by meaning), 1 caller: p50"
    rows.append(slower(call, p50[FLOOR], p50[SERVICE], client=p50[CLIENT]))
    await stand.service.settle()
    return Section("Publish", rows, notes=notes, by_client=by_client, plotted=plotted)


def _rows(with_callers: str, floor: Sample, service: Sample, client: Sample) -> list[Row]:
    call = f"publish acknowledged, {with_callers}"
    return [
        throughput(
            f"{call}: calls a second",
            floor.calls_per_second,
            service.calls_per_second,
            at_least(0.6),
            client=client.calls_per_second,
            headline=True,
        ),
        slower(f"{call}: p50", floor.percentile(50), service.percentile(50), at_most(2), client=client.percentile(50)),
        slower(
            f"{call}: slowest call, against the service's own p50",
            service.percentile(50),
            service.percentile(100),
            at_most(20),
        ),
    ]


def _note(with_callers: str, floor: Sample, beside: Sample) -> str:
    slowest = floor.percentile(100) / floor.percentile(50)
    quiet, busy = floor.calls_per_second, beside.calls_per_second
    return (
        f"With {with_callers} the floor's slowest call took {slowest:.0f} times its own p50. While the service's model "
        f"worked beside it the floor did {busy:,.0f} calls a second instead of {quiet:,.0f}."
    )


def _contenders(stand: Stand, callers: int, *, wait: bool) -> dict[str, Contender[Any]]:
    service = stand.service
    floor = by_stubs(stand.floor, service.settle, callers, wait=wait)
    contenders: dict[str, Contender[Any]] = {
        FLOOR: floor,
        SERVICE: by_stubs(service.stubs, service.settle, callers, wait=wait),
        CLIENT: _by_client(service, callers, wait=wait),
    }
    if not wait:
        contenders[_BESIDE] = _beside_the_model(floor, service)
    return contenders


def by_stubs(
    stubs: Stubs, settle: Callable[[], Awaitable[None]], callers: int = 1, *, wait: bool = False
) -> Contender[pb.PublishInteractionsRequest]:
    """Publishes through these stubs.

    Args:
        stubs: Of the service or of the floor.
        settle: Called before each turn, so that it does not compete with what earlier publishes left to be embedded.
        callers: How many publish at the same time.
        wait: Whether each publish waits until it is embedded.
    """
    publishes = _publishes()

    async def make(calls: int) -> Sequence[pb.PublishInteractionsRequest]:
        await settle()
        return [messages.publish_request(user_id, said, wait=wait) for user_id, said in islice(publishes, calls)]

    async def call(_caller: int, request: pb.PublishInteractionsRequest) -> None:
        await stubs.interactions.PublishInteractions(request)

    return Contender(make, call, callers)


def _by_client(service: Service, callers: int, *, wait: bool) -> Contender[_Publish]:
    publishes = _publishes()

    async def make(calls: int) -> Sequence[_Publish]:
        await service.settle()
        return list(islice(publishes, calls))

    async def call(_caller: int, publish: _Publish) -> None:
        await service.by_client(callers, "publish_interaction", **_published(*publish), wait_for_response=wait)

    return Contender(make, call, callers)


def _by_stream(service: Service) -> Contender[list[dict[str, Any]]]:
    """Each call is a stream of `_OF_A_STREAM` publishes, at the end of which all are acknowledged."""
    publishes = _publishes()

    async def make(calls: int) -> Sequence[list[dict[str, Any]]]:
        await service.settle()
        return [[_published(*publish) for publish in islice(publishes, _OF_A_STREAM)] for _ in range(calls)]

    async def call(_caller: int, given: list[dict[str, Any]]) -> None:
        async for result in service.client.publish_interactions(given):
            if isinstance(result, Exception):
                raise result

    return Contender(make, call)


def _published(user_id: str, said: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "interactions": said,
        "source": messages.SOURCE,
        "session_id": messages.session_of(user_id),
    }


def _beside_the_model(
    floor: Contender[pb.PublishInteractionsRequest], service: Service
) -> Contender[pb.PublishInteractionsRequest]:
    """The floor, while the service has as much to embed as when it is measured itself."""
    said = exchanges(8)

    async def make(calls: int) -> Sequence[pb.PublishInteractionsRequest]:
        requests = await floor.make(calls)
        for _ in range(calls):
            await service.client.publish_interaction("backlog", next(said))
        return requests

    return replace(floor, make=make)


def _publishes() -> Iterator[_Publish]:
    for number, said in enumerate(exchanges(1)):
        yield f"publisher-{number % _USERS}", said
