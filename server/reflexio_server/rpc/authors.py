"""Who the audit trail says made the call in progress, and from where."""

import ipaddress
from urllib.parse import unquote

from reflexio_server.access.caller import CredentialKind, current_caller
from reflexio_server.access.network import network_of
from reflexio_server.domain.access import Author
from reflexio_server.rpc.interceptors.base import Context
from reflexio_server.rpc.interceptors.logging import call_id


def author_of(context: Context) -> Author:
    """The caller as the audit trail has it."""
    caller = current_caller.get()
    credential = "none" if caller.credential_kind is CredentialKind.NONE else caller.credential
    return Author(caller.subject, credential, address_of(context), call_id.get())


def address_of(context: Context) -> str:
    """The network address of whoever is connected, without the port; empty for a socket of this machine."""
    kind, _, rest = (context.peer() or "").partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return ""
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def client_of(context: Context) -> str:
    """Whose calls without a key are counted together."""
    return network_of(address_of(context))
