"""One way in which a request can be wrong, and times that are none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tests.rpc.text_fields import TextField

DAY_AFTER_TOMORROW = Timestamp()
DAY_AFTER_TOMORROW.GetCurrentTime()
DAY_AFTER_TOMORROW.seconds += 2 * 24 * 3600
NO_TIMES = {
    "nanoseconds below zero": Timestamp(seconds=5, nanos=-1),
    "too many nanoseconds": Timestamp(seconds=5, nanos=1_000_000_000),
}
OUTSIDE_TIME = {
    "before 1900": Timestamp(seconds=-2_208_988_801),
    "after 2262": Timestamp(seconds=9_223_372_037),
    "the last second there is": Timestamp(seconds=2**63 - 1),
}


@dataclass(frozen=True)
class Case:
    """A good request of `method` in which `fields` have other values."""

    method: str
    name: str
    at: str
    """The field that is to blame."""
    rule: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    reason: str = "INVALID_FIELD"
    text: tuple[TextField, str] | None = None
    """A text field, and what to set it to."""

    def __str__(self) -> str:
        return f"{self.method}: {self.name}"
