"""Ids are given to nobody twice."""

import asyncio
import random

from reflexio_server.store.database import Database
from reflexio_server.store.interaction_ids import InteractionIds
from reflexio_server.store.tables import INTERACTION_ID_BLOCK


async def test_two_servers_and_many_callers_never_get_the_same(database: Database):
    servers = [InteractionIds(database), InteractionIds(database)]
    dice = random.Random(1)
    counts = [dice.choice([1, 1, 2, 7, 400, INTERACTION_ID_BLOCK]) for _ in range(120)]
    firsts = await asyncio.gather(*(servers[n % 2].take(count) for n, count in enumerate(counts)))
    given = [first + offset for first, count in zip(firsts, counts, strict=True) for offset in range(count)]
    assert len(set(given)) == len(given)
    assert min(given) >= 1


async def test_ids_of_one_server_grow(database: Database):
    ids = InteractionIds(database)
    firsts = [await ids.take(300) for _ in range(10)]
    assert firsts == sorted(firsts)


async def test_a_block_is_used_up_before_the_next_is_drawn(database: Database):
    ids = InteractionIds(database)
    first = await ids.take(1)
    assert [await ids.take(1) for _ in range(INTERACTION_ID_BLOCK - 1)] == [
        first + offset for offset in range(1, INTERACTION_ID_BLOCK)
    ]
    assert (await ids.take(1) - 1) % INTERACTION_ID_BLOCK == 0
