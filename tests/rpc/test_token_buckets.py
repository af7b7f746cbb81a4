"""Token buckets: a rate, and what may be saved up."""

import random

import pytest
from reflexio_server.rpc.token_buckets import TokenBuckets


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_what_is_saved_up_may_be_taken_at_once_and_then_the_rate_holds(clock):
    buckets = TokenBuckets(10, burst_seconds=2, clock=clock)
    assert [buckets.take("a", 1) for _ in range(20)] == [0.0] * 20
    assert buckets.take("a", 1) == pytest.approx(0.1)
    assert buckets.take("a", 5) == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a", 6) == pytest.approx(0.1)
    assert buckets.take("a", 5) == 0
    assert buckets.take("b", 20) == 0, "another's bucket is full"


def test_from_a_full_bucket_any_number_may_be_taken(clock):
    buckets = TokenBuckets(10, burst_seconds=2, clock=clock)
    assert buckets.take("a", 1000) == 0
    assert buckets.take("a", 1) == pytest.approx(98.1)
    assert buckets.take("a", 1000) == pytest.approx(100)
    clock.now += 100
    assert buckets.take("a", 1000) == 0


def test_who_takes_ahead_waits_in_turn(clock):
    buckets = TokenBuckets(10, burst_seconds=2, clock=clock)
    assert buckets.take_ahead("a", 20) == 0
    assert buckets.take_ahead("a", 10) == pytest.approx(1)
    assert buckets.take_ahead("a", 10) == pytest.approx(2)


def test_over_time_nobody_gets_more_than_the_rate_and_the_burst(clock):
    dice = random.Random(5)
    buckets = TokenBuckets(7, burst_seconds=3, clock=clock)
    began, taken = clock.now, 0
    for _ in range(5000):
        count = dice.randrange(1, 6)
        if not (wait := buckets.take("a", count)):
            taken += count
        else:
            before = clock.now
            clock.now += wait * 1.000001
            assert buckets.take("a", count) == 0, "after the wait that it was told, it gets what it asked for"
            taken += count
            assert clock.now > before
        clock.now += dice.expovariate(10)
        assert taken <= 7 * (clock.now - began + 3) + 1e-6


def test_full_buckets_are_forgotten(clock):
    buckets = TokenBuckets(10, burst_seconds=2, clock=clock)
    for number in range(10_000):
        clock.now += 0.01
        buckets.take(number, 1)
    assert len(buckets) < 1200
