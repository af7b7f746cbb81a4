"""Memory that is free goes back to the system."""

import psutil
import pytest
from reflexio_server.index import free_memory

KIB = 1024
MIB = 1024 * KIB


@pytest.mark.skipif(free_memory._malloc_trim is None, reason="only GNU's C library can be told")
def test_what_is_free_is_given_back():
    process = psutil.Process()
    blocks = [b"x" * (64 * KIB) for _ in range(1600)]
    # Whatever stays at the end keeps the C library from giving anything back by itself.
    last = b"x" * (64 * KIB)
    taken = process.memory_info().rss
    del blocks
    free_memory.give_back()
    assert taken - process.memory_info().rss > 50 * MIB
    assert last
