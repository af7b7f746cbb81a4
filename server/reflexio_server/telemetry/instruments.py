"""The kinds of instruments, on OpenTelemetry's."""

import threading
from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram, Observation

_meter = metrics.get_meter("reflexio")

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations."""


def histogram(name: str, description: str) -> Histogram:
    """Durations in seconds, by attributes."""
    return _meter.create_histogram(
        name, unit="s", description=description, explicit_bucket_boundaries_advisory=_SECONDS
    )


class Counter:
    """A number that only grows, for each combination of attributes.

    It is asked for when somebody looks, and so costs a fraction of a counter that the SDK is told of at each step.
    """

    def __init__(self, name: str, description: str, *attributes: str) -> None:
        """`attributes` are the names of those that it is counted by."""
        self._attributes = attributes
        self._counts: dict[tuple[str, ...], int] = {}
        self._busy = threading.Lock()
        _meter.create_observable_counter(name, [self._observe], description=description)

    def add(self, count: int, *values: str) -> None:
        """Count, from whichever thread; `values` are of the attributes in their order, empty where one has none."""
        with self._busy:
            self._counts[values] = self._counts.get(values, 0) + count

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._busy:
            counts = list(self._counts.items())
        return [
            Observation(count, {name: value for name, value in zip(self._attributes, values, strict=True) if value})
            for values, count in counts
        ]


class Gauge:
    """A value that is asked for when somebody looks, from the thread of whoever does."""

    def __init__(self, name: str, description: str, unit: str = "") -> None:
        self.source: Callable[[], float | None] | None = None
        """Gives the value, None where there is none now. Set by the server that runs in this process."""
        _meter.create_observable_gauge(name, [self._observe], unit=unit, description=description)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        value = self.source() if self.source is not None else None
        return () if value is None else (Observation(value),)
