"""Where a server listens, and whom it may let in there. Needs no gRPC, for the process that only supervises."""

import errno
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from reflexio_server.settings import Settings


class CannotListen(Exception):
    """The address is taken or is not this machine's."""

    def __init__(self, host: str, port: int, cause: OSError | None) -> None:
        """`cause` is why; None where that is not known."""
        super().__init__(f"cannot listen on {address_of(host, port)}: {_reason(host, cause)}")


class UnsafeSettings(Exception):
    """What the settings ask for would leave a door open, or does not fit together."""

    def __init__(self, reason: str, setting: str) -> None:
        """`setting` is the field of `Settings` that is to blame."""
        super().__init__(reason)
        self.setting = setting


def address_of(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def addresses_of(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """The family and the address of each socket that listens at a name or an address.

    Raises:
        OSError: The name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, address) for family, _, _, _, address in found]


def listen_alone(family: int, address: tuple[Any, ...]) -> None:
    """Listen for a moment as somebody who does not share the port.

    Raises:
        OSError: Somebody listens there, or it is not this machine's.
    """
    with socket.socket(family) as alone:
        # Else connections of a server that stopped a minute ago would be in the way.
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
        alone.listen()


def obstacle(host: str, port: int) -> OSError | None:
    """Why nobody can listen there, for gRPC does not say it; None where somebody can."""
    failures: list[OSError] = []
    try:
        for family, address in addresses_of(host, port):
            try:
                listen_alone(family, address)
            except OSError as error:
                failures.append(error)
    except OSError as error:
        return error
    return most_telling(failures) if failures else None


def most_telling(failures: Sequence[OSError]) -> OSError:
    """That a port is taken, if it is: a name may besides have an address of a kind that this machine has not."""
    return next((failure for failure in failures if failure.errno == errno.EADDRINUSE), failures[0])


def check_doors(settings: Settings) -> None:
    """Check that nobody beyond this machine gets in unseen or unknown, unless the operator said so.

    Raises:
        UnsafeSettings: Somebody might; or one of the TLS files is named without those that it needs.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        given, missing = ("tls_cert", "tls_key") if settings.tls_key is None else ("tls_key", "tls_cert")
        raise UnsafeSettings(f"it needs {_flag(missing)} beside it", given)
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise UnsafeSettings("it needs --tls-cert and --tls-key beside it", "tls_client_ca")
    missing_doors = [
        what
        for what, is_missing in (
            ("TLS (--tls-cert and --tls-key)", settings.tls_cert is None),
            ("authentication (--auth api-key)", settings.auth == "none"),
        )
        if is_missing
    ]
    if missing_doors and not settings.insecure and not _is_loopback(settings.host):
        raise UnsafeSettings(
            f"{settings.host} can be reached from other machines, and there is no {' and no '.join(missing_doors)}: "
            "give what is missing, listen on 127.0.0.1, or say --insecure where something in front sees to both",
            "host",
        )
    if settings.metrics_port is not None and not settings.insecure and not _is_loopback(settings.metrics_host):
        raise UnsafeSettings(
            f"{settings.metrics_host} can be reached from other machines, and metrics have neither TLS nor "
            "authentication: listen on 127.0.0.1, or say --insecure where strangers are kept out by something else",
            "metrics_host",
        )


def _reason(host: str, cause: OSError | None) -> str:
    if isinstance(cause, socket.gaierror):
        return f"the name {host} is not known"
    if cause is not None and cause.errno == errno.EADDRINUSE:
        return (
            "the port is taken, perhaps by another `reflexio serve`: stop that, or choose another port with --port "
            '(make serve ARGS="--port 9000")'
        )
    if cause is not None and cause.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    return (cause.strerror if cause is not None else "") or "gRPC does not say why"


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; of a name, all of its addresses. What is unknown is not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")
