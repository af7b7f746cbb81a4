"""Where the service is: from what a user writes to what gRPC dials."""

import ipaddress
import os
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from reflexio._tls import Tls, TlsOptions, find_tls
from reflexio.errors import InvalidArgumentError, invalid_argument

DEFAULT_URL = "http://localhost:8081"
DEFAULT_PORT = 8081
URL_VARIABLES = ("REFLEXIO_API_URL", "REFLEXIO_URL")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_GRPC_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")
_PLAIN = ("http://", "unix", "vsock:")
_FORMS = "an endpoint looks like http://host:8081, https://host, host:8081, unix:/path or a gRPC target such as dns:///host:8081"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place where the service may be."""

    url: str
    """As the user wrote it."""
    target: str
    """What gRPC dials."""
    secure: bool
    """Whether to speak TLS."""
    local: bool
    """Whether it is on this machine: no proxy has a business in between."""
    origin: str
    """Where `url` was found: the name of the argument or of the environment variable."""
    tls: Tls | None = None
    """What TLS is spoken with, where the defaults do not do."""

    @property
    def stays_here(self) -> bool:
        """Whether nobody beyond this machine can read what is sent there: also of several addresses of its own."""
        scheme, _, addresses = self.target.partition(":")
        if self.local or scheme not in {"ipv4", "ipv6"}:
            return self.local
        return all(_is_loopback(address.rpartition(":")[0].strip("[]")) for address in addresses.split(","))


def find_endpoint(url_endpoint: str, tls: TlsOptions | None = None) -> Endpoint:
    """The endpoint to use: the argument, else the environment's, else the default.

    Raises:
        InvalidArgumentError: What was found is no endpoint, or no certificates, or they do not go together.
    """
    endpoint = _found(url_endpoint)
    certificates = find_tls(tls)
    if certificates is None:
        return endpoint
    plain = endpoint.url.lower().startswith(_PLAIN)
    if plain and tls is not None:
        raise invalid_argument("tls", f"it is of no use for {endpoint.url}, which asks for plain text")
    return endpoint if plain else replace(endpoint, secure=True, tls=certificates)


def _found(url_endpoint: str) -> Endpoint:
    if not isinstance(url_endpoint, str):
        raise invalid_argument("url_endpoint", f"must be a str, not {type(url_endpoint).__name__}; {_FORMS}")
    found = [("the argument url_endpoint", url_endpoint)]
    found += [(name, os.environ.get(name, "")) for name in URL_VARIABLES]
    for origin, url in found:
        if url.strip():
            return parse_endpoint(url.strip(), origin)
    return parse_endpoint(DEFAULT_URL, f"the default, for want of the argument url_endpoint and {URL_VARIABLES[0]}")


def parse_endpoint(url: str, origin: str) -> Endpoint:
    """Understand one endpoint.

    Raises:
        InvalidArgumentError: It is none. The message repeats `url` unless it may carry a password.
    """
    scheme = url.partition("://")[0].lower()
    if url.lower().startswith(_GRPC_SCHEMES) and not _is_port(url.partition(":")[2]):
        local = url.lower().startswith(("unix", "vsock"))
        return Endpoint(url, url, secure=False, local=local, origin=origin)
    if "://" in url and scheme not in _DEFAULT_PORTS:
        raise _refusal(f"the scheme of {url!r} is not known" if "@" not in url else "its scheme is not known", origin)
    parts, host, port = _split(url, origin)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Endpoint(url, f"dns:///{address}", parts.scheme == "https", _is_loopback(host), origin)


def _split(url: str, origin: str) -> tuple[SplitResult, str, int]:
    if "@" in url:
        raise _refusal("it must not carry a user name or password; give the API key as api_key", origin)
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refusal(f"{url!r} has no valid host and port: {error}", origin) from error
    if not host or port == 0 or any(character.isspace() for character in host):
        raise _refusal(f"{url!r} has no valid host and port", origin)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _refusal(f"{url!r} must end after the port: gRPC has no path below it", origin)
    return parts, host, port if port is not None else _DEFAULT_PORTS.get(parts.scheme, DEFAULT_PORT)


def _refusal(problem: str, origin: str) -> InvalidArgumentError:
    return invalid_argument("url_endpoint", f"{problem} ({origin}); {_FORMS}")


def _is_port(text: str) -> bool:
    return text.isdigit()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
