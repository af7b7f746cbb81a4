"""The same jobs as the public product's newest release did them, by what was measured of it before ours was built."""

from collections.abc import Iterable

from benchmarks.report import PRODUCT_HEAD, Row, Section, at_least

_PUBLISHING, _OTHERS = 20, 8
"""At least so many times as fast."""

_PUBLISHED_CALLS_PER_SECOND = {
    "publish, 1": ("publish acknowledged, 1 caller: calls a second", 31),
    "publish, streamed": ("publish acknowledged, 1 caller of `publish_interactions`: publishes a second", 31),
    # With eight callers the newest release stopped answering; this is an older one's.
    "publish, 8": ("publish acknowledged, 8 callers: calls a second", 33),
}

_PUBLISHED_MILLISECONDS = {
    # It looks at the newest hundred or so only.
    "search, 100": ("search hybrid, 100, vector cached: p50", 26),
    "search, 1000": ("search hybrid, 1,000, vector cached: p50", 22),
    "search, 10000": ("search hybrid, 10,000, vector cached: p50", 32),
    "list": ("list 1,000 requests with their interactions: p50", 121),
    "delete": ("delete a session of 1,000 requests: p50", 166),
}


def section(sections: Iterable[Section]) -> Section:
    """Its figures beside ours through the Python client, where they were measured."""
    ours = {name: figure for section in sections for name, figure in section.by_client.items()}
    rows = [
        Row(call, "/s", published, ours[name], ours[name] / published, at_least(_PUBLISHING))
        for name, (call, published) in _PUBLISHED_CALLS_PER_SECOND.items()
        if name in ours
    ]
    rows += [
        Row(call, "ms", published, ours[name], published / ours[name], at_least(_OTHERS))
        for name, (call, published) in _PUBLISHED_MILLISECONDS.items()
        if name in ours
    ]
    note = (
        "Its figures were measured before ours was built, on such a machine over HTTP with SQLite, embedding "
        "served locally, the query vector cached. It searches the newest hundred or so interactions, this service all. "
        "Ours are through the Python client, with one caller the blocking one. They are not of one run: this table "
        "alone compares milliseconds."
    )
    return Section("Against the public product", rows, PRODUCT_HEAD, [note])
