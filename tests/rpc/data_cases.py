"""What can be wrong with a request of the DataService: an import has the cases of a publish, and its own."""

from dataclasses import replace
from typing import Any

from google.protobuf.duration_pb2 import Duration

from tests.rpc.baseline import record
from tests.rpc.case import DAY_AFTER_TOMORROW, NO_TIMES, OUTSIDE_TIME, Case


def _import(name: str, at: str, rule: str, *interactions: dict[str, Any], **fields: Any) -> Case:
    made = record("somebody", *(interactions or [{"content": "fine"}]), **fields)
    return Case("ImportData", name, f"request.{at}", rule, {"request": made})


def imported(case: Case) -> Case:
    """The case of a publish for an import."""
    fields = dict(case.fields)
    made = record(fields.pop("user_id", "somebody"), *fields.pop("interactions", [{"content": "fine"}]), **fields)
    return replace(case, method="ImportData", at=f"request.{case.at}", fields={"request": made})


NOW = {"seconds": 1_700_000_000}
IMPORTS = [
    Case("ImportData", "no request", "request", "required", {"request": None}),
    Case("ImportData", "a place before the first", "place", "int64.gte", {"place": -1}),
    *(
        _import(f"no request id: {text!r}", "request_id", rule, request_id=text)
        for text, rule in {
            "": "string.uuid_empty",
            "x": "string.uuid",
            "0" * 32: "string.uuid",
            "00000000-0000-0000-0000-000000000000": "request_id.not_nil",
        }.items()
    ),
    _import("no time", "created_at", "required", created_at=None),
    _import(
        "an interaction without a time", "interactions[0].created_at", "required", {"content": "x", "created_at": None}
    ),
    *(
        _import(f"{name}, the request", "created_at", "timestamp.range", created_at=moment)
        for name, moment in {**NO_TIMES, **OUTSIDE_TIME}.items()
    ),
    _import("the day after tomorrow, the request", "created_at", "timestamp.ahead", created_at=DAY_AFTER_TOMORROW),
    *(
        _import(
            f"interaction id {i}",
            "interactions[0].interaction_id",
            "int64.gte_lte",
            {"content": "x", "interaction_id": i},
        )
        for i in (0, -1, -(2**63), 2**53, 2**63 - 1)
    ),
    *(
        _import(
            f"interaction ids that do not ascend: {second}",
            "interactions[1].interaction_id",
            "interaction_id.ascending",
            {"content": "x", "interaction_id": 9},
            {"content": "x", "interaction_id": second},
        )
        for second in (9, 8)
    ),
]

RETENTION = [
    *(
        Case(
            "UpdateRetention",
            f"an age of {seconds} s",
            "max_age",
            "duration.gte_lte",
            {"max_age": Duration(seconds=seconds)},
        )
        for seconds in (0, -1, 3599, 3_155_760_001, 315_576_000_000)
    ),
]

ERASURE = [Case("EraseUser", "no user", "user_id", "string.min_len", {"user_id": ""})]
