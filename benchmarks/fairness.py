"""A quiet user's publish-and-wait, alone and beside a noisy user: `python -m benchmarks.fairness [--quick]`.

The noisy user has thousands of interactions queued and keeps publishing with several callers. Both figures are of one
run of one server; the ratio is the result.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from reflexio import AsyncReflexioClient, BacklogFullError

from benchmarks.stand import Service, serving
from benchmarks.timing import Sample
from benchmarks.workload import exchanges

_NOISY_CALLERS = 4
_INTERACTIONS_A_PUBLISH = 20


async def _quiet(client: AsyncReflexioClient, calls: int, seed: int) -> Sample:
    said, sample = exchanges(seed), Sample()
    for _ in range(calls):
        began = time.perf_counter()
        await client.publish_interaction("quiet", next(said), wait_for_response=True)
        sample.latencies.append(time.perf_counter() - began)
    return sample


async def _noisy(client: AsyncReflexioClient, caller: int, *, wait: bool) -> None:
    said = exchanges(1000 + caller)
    while True:
        interactions = [turn for _ in range(_INTERACTIONS_A_PUBLISH // 2) for turn in next(said)]
        try:
            await client.publish_interaction("noisy", interactions, wait_for_response=wait)
        except BacklogFullError as error:
            await asyncio.sleep(error.retry_after or 1)
        # Not to use up the processors for publishing, which is not what is measured.
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _noise(service: Service, queued: int, *, wait: bool) -> AsyncIterator[None]:
    said = exchanges(999)
    while (await service.client.server_info()).embedding_backlog_count < queued:
        await service.client.publish_interaction("noisy", [turn for _ in range(250) for turn in next(said)])
    callers = [asyncio.create_task(_noisy(service.client, n, wait=wait)) for n in range(_NOISY_CALLERS)]
    try:
        yield
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def _measured(calls: int, queued: int) -> None:
    async with serving() as service:
        await _quiet(service.client, 5, 1)
        alone = await _quiet(service.client, calls, 2)
        _print("alone", alone, alone)
        for wait, name in ((False, "beside a noisy user"), (True, "… who waits for each publish")):
            async with _noise(service, queued, wait=wait):
                _print(name, await _quiet(service.client, calls, 3 + wait), alone)


def _print(name: str, sample: Sample, alone: Sample) -> None:
    figures = []
    for percent in (50, 95):
        milliseconds = sample.percentile(percent)
        figures.append(f"p{percent} {milliseconds:.1f} ms ({milliseconds / alone.percentile(percent):.2f} times)")
    print(f"quiet user's publish-and-wait, {name}: {', '.join(figures)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    quick = parser.parse_args().quick
    asyncio.run(_measured(10 if quick else 100, 500 if quick else 5_000))


if __name__ == "__main__":
    main()
