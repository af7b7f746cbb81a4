"""Connections that are no clients: half-open, silent, talking nonsense."""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
"""A frame that settles nothing, which every client has to begin with."""


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame of HTTP/2, which may lie about its length."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class RawConnection:
    """A plain socket to a server."""

    def __init__(self, port: int, data: bytes = b"") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setblocking(False)
        if data:
            self._socket.send(data)

    async def closed(self, seconds: float = 30) -> bool:
        """Whether the server hangs up within so many seconds."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                while await loop.sock_recv(self._socket, 65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def send(self, data: bytes) -> None:
        """Send, as far as the server lets us."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def headers(path: str) -> bytes:
    """The headers of a call, written out without compression."""

    def literal(name: bytes, value: bytes) -> bytes:
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    called = path.encode()
    return (
        b"\x83\x86\x04"
        + bytes([len(called)])
        + called
        + literal(b"te", b"trailers")
        + literal(b"content-type", b"application/grpc")
    )


CALL = headers("/reflexio.v1.ServerService/WhoAmI")
_HELLO = PREFACE + SETTINGS
_HEADERS = frame(1, 4, 1, CALL)


def _resets(dice: random.Random) -> bytes:
    """Calls that are given up as soon as they are made."""
    count = dice.randrange(1, 300)
    return b"".join(frame(1, 4, 2 * n + 1, CALL) + frame(3, 0, 2 * n + 1, (8).to_bytes(4, "big")) for n in range(count))


def _any_frames(dice: random.Random) -> bytes:
    return b"".join(
        frame(dice.randrange(12), dice.randrange(256), dice.choice((0, 1, 1, 3, 2)), dice.randbytes(dice.randrange(60)))
        for _ in range(dice.randrange(1, 20))
    )


TALK: dict[str, Callable[[random.Random], bytes]] = {
    "nothing": lambda dice: b"",
    "noise": lambda dice: dice.randbytes(dice.randrange(1, 3000)),
    "part of a preface": lambda dice: PREFACE[: dice.randrange(len(PREFACE))],
    "noise after a preface": lambda dice: _HELLO + dice.randbytes(dice.randrange(1, 3000)),
    "TLS": lambda dice: b"\x16\x03\x01" + dice.randbytes(300),
    "HTTP/1.1": lambda dice: (
        b"POST /reflexio.v1.ServerService/WhoAmI HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    ),
    "any frames": lambda dice: _HELLO + _any_frames(dice),
    "any frames in a call": lambda dice: _HELLO + _HEADERS + _any_frames(dice),
    "a call without a message": lambda dice: _HELLO + _HEADERS,
    "half a message": lambda dice: _HELLO + _HEADERS + frame(0, 0, 1, b"\0\0\0\x10\0" + bytes(10)),
    "a message that lies about its length": lambda dice: (
        _HELLO + _HEADERS + frame(0, 1, 1, b"\0\xff\xff\xff\xff" + bytes(10))
    ),
    "a message that lies about its compression": lambda dice: _HELLO + _HEADERS + frame(0, 1, 1, b"\1\0\0\0\x02xx"),
    "damaged headers": lambda dice: _HELLO + frame(1, 4, 1, bytes(b ^ (dice.random() < 0.03) * 0x55 for b in CALL)),
    "headers that go on and on": lambda dice: _HELLO + frame(1, 0, 1, CALL) + frame(9, 0, 1, bytes(100)) * 200,
    "resets": lambda dice: _HELLO + _resets(dice),
    "pings": lambda dice: _HELLO + frame(6, 0, 0, bytes(8)) * dice.randrange(300),
    "settings": lambda dice: _HELLO + frame(4, 0, 0, b"\0\4" + dice.randbytes(4)) * dice.randrange(300),
    "windows": lambda dice: _HELLO + _HEADERS + frame(8, 0, dice.choice((0, 1)), b"\x7f\xff\xff\xff") * 3,
    "priorities of a tree": lambda dice: (
        _HELLO + b"".join(frame(2, 0, 2 * n + 1, (n).to_bytes(4, "big") + b"x") for n in range(200))
    ),
}
"""What is said to a server, by name."""


async def talk_nonsense(port: int, dice: random.Random, enough: asyncio.Event) -> int:
    """Connect, say something that makes no sense, and hang up or wait, again and again. Returns how often."""
    count = 0
    while not enough.is_set():
        connection = RawConnection(port)
        try:
            await connection.send(TALK[dice.choice(list(TALK))](dice))
            await connection.closed(dice.choice((0, 0, 0.01, 0.1)))
        except ConnectionError:
            pass  # It was shown the door.
        finally:
            connection.close()
        count += 1
    return count


async def talk_slowly(port: int, dice: random.Random, enough: asyncio.Event) -> None:
    """Say what a client says, a byte at a time."""
    while not enough.is_set():
        connection = RawConnection(port)
        try:
            for byte in _HELLO + _HEADERS + frame(0, 1, 1, bytes(5)):
                await connection.send(bytes([byte]))
                await asyncio.sleep(dice.random() * 0.03)
                if enough.is_set():
                    break
        except ConnectionError:
            pass
        finally:
            connection.close()


async def talk_through_tls(port: int, context: ssl.SSLContext, dice: random.Random, enough: asyncio.Event) -> int:
    """Talk nonsense, but in TLS. Returns how often."""
    count = 0
    while not enough.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            writer.write(TALK[dice.choice(list(TALK))](dice))
            async with asyncio.timeout(0.05):
                await reader.read()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            pass  # It was shown the door, or left standing in it.
        finally:
            writer.transport.abort()
        count += 1
    return count
