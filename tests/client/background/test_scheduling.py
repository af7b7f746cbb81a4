"""Whose turn it is, when to try again, and when to give up."""

from dataclasses import replace
from itertools import pairwise

import pytest
import reflexio
from reflexio import PublishExpiredError
from reflexio.background import expiry, lanes, pauses, verdict
from reflexio.background.spool import Entry
from reflexio.background.verdict import Verdict

DAY = 24 * 3600 * 10**9


def test_what_was_tried_more_than_seven_days_ago_is_not_tried_again_but_what_never_was_is():
    now = 100 * DAY
    never = Entry(1, now - 30 * DAY, None, b"")

    assert expiry.expired(never, now, None) is None
    assert expiry.expired(replace(never, attempted_at=now - 6 * DAY), now, None) is None
    assert isinstance(expiry.expired(replace(never, attempted_at=now - 7 * DAY), now, None), PublishExpiredError)
    assert isinstance(expiry.expired(never, now, 29 * 24 * 3600), PublishExpiredError)


@pytest.mark.parametrize(
    ("status", "failures", "expected"),
    [
        ("INVALID_ARGUMENT", 0, Verdict.REFUSE),
        ("FAILED_PRECONDITION", 0, Verdict.REFUSE),
        ("RESOURCE_EXHAUSTED", 10**6, Verdict.WAIT),
        ("DEADLINE_EXCEEDED", 10**6, Verdict.WAIT),
        ("ABORTED", 10**6, Verdict.WAIT),
        ("INTERNAL", 1, Verdict.WAIT),
        ("INTERNAL", verdict.MOST_FAULTS, Verdict.REFUSE),
        ("UNKNOWN", verdict.MOST_FAULTS, Verdict.REFUSE),
        ("UNAVAILABLE", 10**6, Verdict.ASK_SERVER),
        ("UNAUTHENTICATED", 10**6, Verdict.ASK_SERVER),
        ("UNIMPLEMENTED", 10**6, Verdict.ASK_SERVER),
        ("PERMISSION_DENIED", 10**6, Verdict.WAIT_SLOWLY),
        ("SOMETHING_NEW", 10**6, Verdict.WAIT),
    ],
)  # fmt: skip
def test_what_each_failure_means(status, failures, expected):
    error = reflexio.ReflexioError("x")
    error.status = error.reason = status

    assert verdict.verdict(error, failures) is expected


def test_pauses_grow_to_an_end_and_are_never_shorter_than_asked_for():
    pause = pauses.Pause()
    grown = []
    for _ in range(12):
        pause.after_failure(0.0, retry_after=None)
        grown.append(pause.until)
    assert grown[0] <= 0.3
    assert all(later > 1.2 * sooner for sooner, later in pairwise(grown[:5]))
    assert grown[-1] <= 1.2 * pauses.LONGEST_SECONDS
    pause.after_failure(5.0, retry_after=100.0)
    assert pause.until == 105.0
    pause.end()
    pause.after_failure(0.0, retry_after=None, slow=True)
    assert pause.until >= 0.8 * pauses.FIRST_SECONDS_REFUSED


def test_what_is_known_of_a_backlog_is_bounded_and_everything_has_its_turn():
    waiting = {f"lane {number}".encode(): [number + 1, number + 3001] for number in range(3000)}
    places = sorted((seq, key) for key, seqs in waiting.items() for seq in seqs)
    known = lanes.Lanes()
    while any(waiting.values()):
        known.add(places[known.looked_until :][:500])
        assert len(known._known) <= 1000
        lane = known.take(0.0)
        left = waiting[lane.key]
        if left:
            assert left[0] > lane.done_until
            lane.done_until = left.pop(0)
            known.give_back(lane)
        else:
            known.forget(lane)
    assert known.looked_until >= 1000
