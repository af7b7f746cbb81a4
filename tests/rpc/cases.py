"""Every way in which a request can be wrong, and what the contract says is answered."""

from dataclasses import replace
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from reflexio.v1.interaction_service_pb2 import PublishInteractionsRequest

from tests.rpc.access_cases import ACCESS, NUMBERED_LISTS
from tests.rpc.case import DAY_AFTER_TOMORROW, NO_TIMES, OUTSIDE_TIME, Case
from tests.rpc.data_cases import ERASURE, IMPORTS, RETENTION, imported
from tests.rpc.text_fields import MOST_BYTES, TEXT_FIELDS
from tests.validate.pictures import picture, png_that_claims


def _wide_lists(depth: int) -> Struct:
    value = Value(number_value=1)
    for _ in range(depth):
        value = Value(list_value={"values": [value]})
    return Struct(fields={"list": value})


def _struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


TOOL = "interactions[1].tools_used[0].tool_data"


def _publish(name: str, at: str, rule: str, **fields: Any) -> Case:
    return Case("PublishInteractions", name, at, rule, fields)


def _second(name: str, at: str, rule: str, reason: str = "INVALID_FIELD", **interaction: Any) -> Case:
    """A publish whose second interaction is bad: its first must not be stored either."""
    fields = {"interactions": [{"content": "fine"}, interaction]}
    return Case("PublishInteractions", name, f"interactions[1]{at}", rule, fields, reason)


def _tool(name: str, rule: str, data: Struct) -> Case:
    return _second(name, TOOL.removeprefix("interactions[1]"), rule, tools_used=[{"tool_name": "t", "tool_data": data}])


def _image(name: str, rule: str, data: bytes) -> Case:
    return _second(name, ".image", f"image.{rule}", "INVALID_IMAGE", image=data)


PUBLISH = [
    _publish("no user", "user_id", "string.min_len", user_id=""),
    _publish("no interactions", "interactions", "repeated.min_items", interactions=[]),
    _publish("too many interactions", "interactions", "repeated.max_items", interactions=[{"content": "x"}] * 1001),
    _second("an interaction with nothing in it", "", "interaction.not_empty"),
    _second("an interaction with a role only", "", "interaction.not_empty", role="User"),
    _second("an interaction with no action only", "", "interaction.not_empty", user_action=1),
    _second("an action that does not exist", ".user_action", "enum.defined_only", user_action=99),
    _second("a negative action", ".user_action", "enum.defined_only", user_action=-1, content="x"),
    *(
        _second(f"not a URL: {url}", ".interacted_image_url", "url.http", interacted_image_url=url)
        for url in ("nope", "ftp://host/x", "http://", "//host", "javascript:alert(1)", "http://a b", "http://[::1")
    ),
    _image("not an image", "format", b"not an image"),
    _image("a damaged image", "format", picture()[:-30]),
    _image("a cut-off JPEG", "format", picture("JPEG")[:-30]),
    _image("an image of another format", "format", b"BM" + bytes(100)),
    _image("too large an image file", "max_bytes", picture() + bytes(1024 * 1024)),
    _image("an image of too many pixels", "max_pixels", png_that_claims(50_000, 50_000)),
    _second("a tool without a name", ".tools_used[0].tool_name", "string.min_len", tools_used=[{"tool_name": ""}]),
    _second("too many tools", ".tools_used", "repeated.max_items", tools_used=[{"tool_name": "t"}] * 257),
    _tool("a NUL in tool data", "string.not_contains", _struct(a=["fine", {"b": "x\0y"}])),
    _tool("a NUL in a name of tool data", "string.not_contains", _struct(**{"a\0": 1})),
    _tool("tool data with NaN", "struct.number", _struct(a=float("nan"))),
    _tool("tool data with infinity", "struct.number", _struct(a=[{"b": float("-inf")}])),
    _tool("tool data nested too deep in lists", "struct.depth", _wide_lists(33)),
    _second(
        "too much tool data in one tool",
        ".tools_used",
        "tools_used.max_bytes",
        tools_used=[{"tool_name": "t", "tool_data": _struct(a="x" * 262_144)}],
    ),
    _second(
        "too much tool data together",
        ".tools_used",
        "tools_used.max_bytes",
        tools_used=[{"tool_name": "t", "tool_data": _struct(a="x" * 140_000)}] * 2,
    ),
    *(
        _second(name, ".created_at", "timestamp.range", content="x", created_at=moment)
        for name, moment in {
            **NO_TIMES,
            **OUTSIDE_TIME,
        }.items()
    ),
    _second("the day after tomorrow", ".created_at", "timestamp.ahead", content="x", created_at=DAY_AFTER_TOMORROW),
]

SEARCH = [
    Case("SearchInteractions", "no user", "user_id", "string.min_len", {"user_id": ""}),
    *(
        Case("SearchInteractions", f"top_k of {top_k}", "top_k", "int32.gte_lte", {"top_k": top_k})
        for top_k in (0, -1, -(2**31), 1001, 2**31 - 1)
    ),
    *(
        Case("SearchInteractions", f"search mode {mode}", "search_mode", "enum.defined_only", {"search_mode": mode})
        for mode in (4, 99, -1)
    ),
    *(
        Case("SearchInteractions", f"min_score of {score}", "min_score", "double.gte_lte", {"min_score": score})
        for score in (-1e-9, 1.000001, -1, 2, 1e308, float("inf"), float("-inf"), float("nan"))
    ),
]


def _filters(method: str) -> list[Case]:
    def filtered(name: str, at: str, rule: str, **conditions: Any) -> Case:
        return Case(method, name, f"filter.{at}", rule, {"filter": conditions})

    return [
        filtered("times reversed", "end_time", "timestamp.order", start_time={"seconds": 2}, end_time={"seconds": 1}),
        *(filtered(f"{n}, start", "start_time", "timestamp.range", start_time=t) for n, t in NO_TIMES.items()),
        *(filtered(f"{n}, end", "end_time", "timestamp.range", end_time=t) for n, t in NO_TIMES.items()),
        *(filtered(f"most_recent_k of {k}", "most_recent_k", "int32.gte", most_recent_k=k) for k in (0, -1, -(2**31))),
    ]


def _pages(method: str) -> list[Case]:
    return [
        *(
            Case(method, f"page size {size}", "page_size", "int32.gte_lte", {"page_size": size})
            for size in (-1, -(2**31), 1001, 2**31 - 1)
        ),
        *(
            Case(
                method,
                f"no page token: {token[:44]!r} of {len(token)}",
                "page_token",
                "page_token.format",
                {"page_token": token},
                reason,
            )
            for token in ("x", "AAAA", "ü" * 44, "A" * 44, "=", " ", "A" * 1024)
            for reason in ["INVALID_PAGE_TOKEN"]
        ),
    ]


LISTS = [
    Case("ListInteractions", "no user", "user_id", "string.min_len", {"user_id": ""}),
    *_filters("SearchInteractions"),
    *_filters("ListInteractions"),
    *_pages("ListInteractions"),
    *_pages("ListAllInteractions"),
    *_pages("ListRequests"),
    *(case for method in NUMBERED_LISTS for case in _pages(method)),
    Case("ListRequests", "a negative skip", "skip", "int32.gte", {"skip": -1}),
    Case("ListRequests", "a very negative skip", "skip", "int32.gte", {"skip": -(2**31)}),
    Case(
        "ListRequests",
        "times reversed",
        "end_time",
        "timestamp.order",
        {"start_time": {"seconds": 2}, "end_time": {"seconds": 1, "nanos": 999_999_999}},
    ),
    *(
        Case("ListRequests", f"{n}, start", "start_time", "timestamp.range", {"start_time": t})
        for n, t in NO_TIMES.items()
    ),
    *(Case("ListRequests", f"{n}, end", "end_time", "timestamp.range", {"end_time": t}) for n, t in NO_TIMES.items()),
]

DELETES = [
    Case("DeleteInteraction", "no user", "user_id", "string.min_len", {"user_id": ""}),
    *(
        Case("DeleteInteraction", f"id {i}", "interaction_id", "int64.gte", {"interaction_id": i})
        for i in (0, -1, -(2**63))
    ),
    Case("DeleteRequest", "no id", "request_id", "string.min_len", {"request_id": ""}),
    Case("BatchDeleteRequests", "no ids", "request_ids", "repeated.min_items", {"request_ids": []}),
    Case("BatchDeleteRequests", "too many ids", "request_ids", "repeated.max_items", {"request_ids": ["x"] * 1001}),
    Case("BatchDeleteRequests", "an empty id", "request_ids[1]", "string.min_len", {"request_ids": ["x", ""]}),
    Case("DeleteSession", "no session", "session_id", "string.min_len", {"session_id": ""}),
]

TEXTS = [
    *(
        Case(f.method, f"a NUL in {f.path}", f.path, "string.not_contains", text=(f, "with \0 in it"))
        for f in TEXT_FIELDS
    ),
    *(
        # In bytes, not characters.
        Case(
            f.method, f"too long a {f.path}", f.path, "string.max_bytes", text=(f, "é" * (MOST_BYTES[f.name] // 2 + 1))
        )
        for f in TEXT_FIELDS
    ),
]


def _streamed(case: Case) -> Case:
    """The case of a publish for a stream of publishes."""
    fields = {"user_id": "somebody", "interactions": [{"content": "fine"}], **case.fields}
    publish = PublishInteractionsRequest(**fields)
    return replace(case, method="StreamPublishInteractions", at=f"publish.{case.at}", fields={"publish": publish})


STREAMED = [
    Case("StreamPublishInteractions", "nothing to publish", "publish", "required", {"publish": None}),
    Case("StreamPublishInteractions", "a place before the first", "place", "int64.gte", {"place": -1}),
    *map(_streamed, PUBLISH),
]

# An import may bring an empty request, and must say when everything happened.
IMPORTED = [imported(case) for case in PUBLISH if case.name != "no interactions"]

CASES = [
    *PUBLISH,
    *STREAMED,
    *SEARCH,
    *LISTS,
    *DELETES,
    *IMPORTED,
    *IMPORTS,
    *RETENTION,
    *ERASURE,
    *ACCESS,
    *TEXTS,
]
