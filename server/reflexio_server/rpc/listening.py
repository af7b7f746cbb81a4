"""Where a server listens, and whom it may let in there. Needs no gRPC, for the process that only supervises."""

import ipaddress
import socket

from reflexio_server.settings import Settings


class CannotListen(Exception):
    """The address is taken or is not this machine's."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"cannot listen on {address_of(host, port)}: the address is in use or is not one of this machine's"
        )


class UnsafeSettings(Exception):
    """What the settings ask for would leave a door open, or does not fit together."""

    def __init__(self, reason: str, setting: str) -> None:
        """`setting` is the field of `Settings` that is to blame."""
        super().__init__(reason)
        self.setting = setting


def address_of(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; of a name, all of its addresses. What is unknown is not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")
