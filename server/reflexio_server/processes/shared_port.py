"""One port for several processes, among which the kernel spreads connections."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.rpc.listening import CannotListen


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Keep a port for our workers for the length of the block, which is given its number.

    It is bound and does not listen: the kernel gives it no connections, and to nobody else the port.

    Args:
        host: A name or an address; a name may have several.
        port: 0 for any that is free.

    Raises:
        CannotListen: The address is taken or is not this machine's.
        CannotStart: Processes cannot share ports on this system.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise CannotStart("several workers need SO_REUSEPORT, which this system does not have", "workers")
    with ExitStack() as bound:
        addresses = _addresses(host, port)
        failures: list[OSError] = []
        number = port
        for family, address in addresses:
            try:
                ours = _bound(family, (address[0], number, *address[2:]))
            except OSError as error:
                failures.append(error)
            else:
                number = bound.enter_context(ours).getsockname()[1]
        # A name may have an address of a kind that this machine has not.
        if len(failures) == len(addresses) or any(e.errno == errno.EADDRINUSE for e in failures):
            raise CannotListen(host, port) from failures[0]
        yield number


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(host, port) from error
    return [(family, address) for family, _, _, _, address in found]


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    """A socket that lets our workers join it.

    Raises:
        OSError: The address is taken or is not this machine's.
    """
    if address[1]:
        _refuse_to_join_others(family, address)
    ours = socket.socket(family)
    try:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            ours.setsockopt(socket.SOL_SOCKET, option, 1)
        ours.bind(address)
    except OSError:
        ours.close()
        raise
    return ours


def _refuse_to_join_others(family: int, address: tuple[Any, ...]) -> None:
    """Listen for a moment as somebody who does not share: another server's workers would share with us.

    Raises:
        OSError: Somebody listens there.
    """
    with socket.socket(family) as alone:
        # Else connections of a server that stopped a minute ago would be in the way.
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
        alone.listen()
