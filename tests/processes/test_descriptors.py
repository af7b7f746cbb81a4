"""A process takes as many descriptors as its settings need, where it may."""

import resource

import pytest
from reflexio_server.processes.descriptors import make_room_for


@pytest.fixture
def limit():
    """Sets the limit of this process for the length of a test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def soft():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_low_limit_is_raised_as_far_as_needed(limit):
    limit(1024)
    assert make_room_for(2000) == 2000
    assert soft() == 2256


def test_no_limit_is_lowered(limit):
    limit(4000)
    assert make_room_for(100) == 100
    assert soft() == 4000


def test_where_the_system_allows_no_more_it_takes_what_there_is(limit):
    limit(1024)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no limit here")
    assert make_room_for(hard) == hard - 256
    assert soft() == hard
