"""The lock that searches share and changes hold alone."""

import asyncio

from reflexio_server.index.shared_lock import SharedLock


async def test_readers_share_and_a_writer_is_alone():
    lock = SharedLock()
    inside: set[str] = set()
    seen: list[frozenset[str]] = []

    async def hold(name: str, manner) -> None:
        async with manner():
            inside.add(name)
            for _ in range(3):
                seen.append(frozenset(inside))
                await asyncio.sleep(0)
            inside.remove(name)

    names = ["reader 1", "reader 2", "writer 1", "reader 3", "writer 2", "reader 4"]
    await asyncio.gather(*(hold(n, lock.shared if n.startswith("reader") else lock.exclusive) for n in names))
    assert frozenset({"reader 1", "reader 2"}) in seen
    assert {frozenset({"writer 1"}), frozenset({"writer 2"})} <= set(seen)
    assert not [who for who in seen if len(who) > 1 and any(name.startswith("writer") for name in who)]


async def test_a_writer_that_gives_up_lets_others_in():
    lock = SharedLock()
    async with lock.shared():
        writer = asyncio.create_task(lock.exclusive().__aenter__())
        await asyncio.sleep(0)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        async with asyncio.timeout(1), lock.shared():
            pass
    async with asyncio.timeout(1), lock.exclusive():
        pass
