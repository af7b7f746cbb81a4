"""One port for several processes, among which the kernel spreads connections."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from reflexio_server.processes.cannot_start import CannotStart
from reflexio_server.rpc.listening import CannotListen, addresses_of, listen_alone, most_telling


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
        try:
            addresses = addresses_of(host, port)
        except OSError as error:
            raise CannotListen(host, port, error) from error
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
        if failures and (most_telling(failures).errno == errno.EADDRINUSE or len(failures) == len(addresses)):
            raise CannotListen(host, port, most_telling(failures)) from failures[0]
        yield number


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    """A socket that lets our workers join it.

    Raises:
        OSError: The address is taken or is not this machine's.
    """
    if address[1]:
        # Another server's workers would share with us.
        listen_alone(family, address)
    ours = socket.socket(family)
    try:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            ours.setsockopt(socket.SOL_SOCKET, option, 1)
        ours.bind(address)
    except OSError:
        ours.close()
        raise
    return ours
