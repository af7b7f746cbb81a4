"""Messages that are never whole: gRPC keeps them, whoever sends them, and lets them go with their connections."""

import asyncio

import pytest

from tests.end_to_end.stand.server_process import ServerProcess
from tests.hostile.footprint import at_rest
from tests.hostile.garbage import CALL, PREFACE, SETTINGS, frame

MIB = 2**20
CALLS = 5
EACH = 16 * MIB
_AUTHORITY = b"\x01\x01x"
"""Without it a call is ended before its message."""
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8


@pytest.fixture
def server(tmp_path, monkeypatch):
    # What glibc keeps free in one arena is of no use to a thread in another: with one, what grows is not let go.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    process = ServerProcess(tmp_path, "half", "--data-dir", str(tmp_path / "data"), "--auth", "api-key")
    process.start()
    yield process
    process.end()


async def half_send(port, size):
    """Send so much of a message that is larger, as fast as the server takes it. Returns the connection, still open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + SETTINGS + frame(_HEADERS, 4, 1, _AUTHORITY + CALL))
    begun = b"\0" + (size + MIB).to_bytes(4, "big")
    of_stream = of_connection = initial = 65_535
    left = size
    while left:
        room = min(of_stream, of_connection, left, 16_384)
        if room >= min(left, 4096):
            part, begun = (begun + bytes(room))[:room], b""
            writer.write(frame(_DATA, 0, 1, part))
            await writer.drain()
            of_stream, of_connection, left = of_stream - room, of_connection - room, left - room
            continue
        head = await reader.readexactly(9)
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
        payload = await reader.readexactly(int.from_bytes(head[:3]))
        if kind == _WINDOW and stream:
            of_stream += int.from_bytes(payload)
        elif kind == _WINDOW:
            of_connection += int.from_bytes(payload)
        elif kind == _SETTINGS and not flags:
            for at in range(0, len(payload), 6):
                if payload[at : at + 2] == b"\0\x04":
                    value = int.from_bytes(payload[at + 2 : at + 6])
                    of_stream, initial = of_stream + value - initial, value
            writer.write(frame(_SETTINGS, 1, 0, b""))
        elif kind == _PING and not flags:
            writer.write(frame(_PING, 1, 0, payload))
        assert kind not in {_RESET, _GOAWAY}, "the call was ended"
    return writer


async def test_what_was_sent_of_messages_is_free_again_without_their_connections(server):
    """The process may keep the memory, as its allocator likes; then the next ones get it.

    Two rounds are left to the allocator: what it keeps of the first lies in pieces, of which the second gets a part.
    """
    footprints = []
    for _ in range(6):
        async with asyncio.timeout(60):
            for writer in [await half_send(server.port, EACH) for _ in range(CALLS)]:
                writer.close()
        footprints.append(await at_rest(server.process.pid, server.port, own=0))
    # Not one more round in four of them.
    assert footprints[-1].memory_mb < footprints[1].memory_mb + CALLS * EACH / MIB
