"""How many files and connections this process may have open."""

import sys

import structlog

_log = structlog.get_logger("reflexio.supervisor")

_BESIDE_CALLERS = 256
"""For the database, files and libraries."""


def make_room_for(connections: int) -> int:
    """Raise this process's own limit as far as it may be raised: many systems begin with 1024.

    Without it, a thousand callers that do nothing would leave none for the database.

    Args:
        connections: How many callers there are to be.

    Returns:
        How many there may be.
    """
    if sys.platform == "win32":
        return connections
    import resource  # noqa: PLC0415 - Windows has none

    wanted = connections + _BESIDE_CALLERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    if possible > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    room = max(possible - _BESIDE_CALLERS, 1)
    if room < connections:
        _log.warning("this system allows fewer connections than the settings", allowed=room, wanted=connections)
    return min(room, connections)
