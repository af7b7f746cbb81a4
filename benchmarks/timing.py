"""Measuring contenders in turns (A B C, A B C, …), so that the moods of the machine hit all alike."""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from benchmarks.workload import Effort

T = TypeVar("T")

_WARM_UP_CALLS = 4
"""Calls of each caller that do not count, while connections, prepared statements and partitions are made."""


@dataclass(frozen=True, slots=True)
class Contender(Generic[T]):
    """One way to do the work."""

    make: Callable[[int], Awaitable[Sequence[T]]]
    """Makes what so many calls need, before each turn and untimed."""
    call: Callable[[int, T], Awaitable[Any]]
    """Makes one call, for the caller of that number."""
    callers: int = 1
    """How many call at the same time."""


@dataclass(slots=True)
class Sample:
    """What was measured of one contender."""

    latencies: list[float] = field(default_factory=list)
    """Seconds of each call."""
    rates: list[float] = field(default_factory=list)
    """Calls a second of all callers together, in each turn."""

    @property
    def calls_per_second(self) -> float:
        """The median of the turns: one in which something else had the machine does not count."""
        return statistics.median(self.rates)

    def percentile(self, percent: float) -> float:
        """Milliseconds within which `percent` of the calls ended, by the nearest rank."""
        ordered = sorted(self.latencies)
        return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] * 1000


async def in_turns(contenders: Mapping[str, Contender[Any]], effort: Effort) -> dict[str, Sample]:
    """Measure all contenders; the samples have their names."""
    samples = {name: Sample() for name in contenders}
    for contender in contenders.values():
        await _turn(contender, _WARM_UP_CALLS * contender.callers, effort.seconds)
    for _ in range(effort.rounds):
        for name, contender in contenders.items():
            turn = await _turn(contender, max(effort.calls, contender.callers), effort.seconds)
            samples[name].latencies += turn.latencies
            samples[name].rates += turn.rates
    return samples


async def _turn(contender: Contender[T], calls: int, seconds: float) -> Sample:
    """All calls, or as many as begin within the seconds."""
    turn = Sample()
    work = iter(await contender.make(calls))
    started = time.perf_counter()

    async def caller(number: int) -> None:
        before = started
        for item in work:
            await contender.call(number, item)
            after = time.perf_counter()
            turn.latencies.append(after - before)
            before = after
            if after - started >= seconds:
                return

    await asyncio.gather(*(caller(number) for number in range(contender.callers)))
    turn.rates.append(len(turn.latencies) / (time.perf_counter() - started))
    return turn
