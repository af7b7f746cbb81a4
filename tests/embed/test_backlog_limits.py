"""Counting what waits, whatever the database says meanwhile."""

import asyncio

import pytest
from reflexio_server.domain.errors import DatabaseUnavailable, StorageFull
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.embed import backlog_limits
from reflexio_server.embed.backlog_limits import BacklogLimits
from reflexio_server.store import queue_figures
from reflexio_server.store.database import Database

from tests.contracts.corpus import Corpus
from tests.embed.eventually import eventually


async def test_faults_that_pass_put_a_count_off_for_a_moment_only(
    database: Database,
    corpus: Corpus,
    org_id: OrgId,
    user_id: UserId,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    faults = [StorageFull(), DatabaseUnavailable()]
    sizes = queue_figures.sizes

    async def faulty(*arguments: object) -> queue_figures.QueueSizes:
        if faults:
            raise faults.pop()
        return await sizes(*arguments)

    monkeypatch.setattr(queue_figures, "sizes", faulty)
    monkeypatch.setattr(backlog_limits, "_LEAST_PAUSE", 0.01)
    await corpus.publish(user_id, "waits")
    limits = BacklogLimits(database, most_of_user=10, most_of_organization=10, stopping=asyncio.Event())
    limits.start()

    async def counted() -> bool:
        return limits.waiting > 0

    try:
        await eventually(counted)
    finally:
        await limits.stop()
    assert not faults
    assert "could not count the backlog" not in caplog.text
