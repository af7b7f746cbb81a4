"""Storing what a caller sent, also when that caller hangs up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

_log = structlog.get_logger("reflexio.publish")

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T], what: str) -> T:
    """The result of `work`, which goes on when whoever waits for it is cancelled.

    It must not be left half done: committed, but not handed over; or with a statement under way, which would cost the
    pool a connection.

    Args:
        work: What to do.
        what: What to call it in the log, should it fail after its caller hung up: "a publish".
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda task: _log_failure(task, what))
        raise


def _log_failure(task: asyncio.Task[Any], what: str) -> None:
    """Note what nobody else is told: the caller is gone."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning(f"could not store {what} whose caller hung up", error=type(error).__name__)
