"""What a client shows and trusts when it speaks TLS."""

import os
import ssl
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

import grpc

from reflexio.errors import InvalidArgumentError, invalid_argument

Stamp = tuple[tuple[int, int, int], ...]
"""What changes when one of the files does."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What to trust and to show where the public authorities' certificates do not do.

    Each falls back to an environment variable. Files that change are read again within a second, for connections made
    from then on; calls under way go on.
    """

    ca_cert: str | os.PathLike[str] = ""
    """File with the authorities to trust instead of the public ones, as PEM: `REFLEXIO_CA_CERT`."""
    client_cert: str | os.PathLike[str] = ""
    """File with the certificate to show to the server, as PEM: `REFLEXIO_CLIENT_CERT`."""
    client_key: str | os.PathLike[str] = ""
    """File with its private key, as PEM and without a password: `REFLEXIO_CLIENT_KEY`."""
    server_name: str = ""
    """The name that the server's certificate must have, where that is not the endpoint's: `REFLEXIO_SERVER_NAME`."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What a client speaks TLS with."""

    ca_cert: str
    client_cert: str
    client_key: str
    server_name: str

    def stamp(self) -> Stamp | None:
        """What changes when one of the files does; None while one of them is not there."""
        try:
            found = [Path(file).stat() for file in (self.ca_cert, self.client_cert, self.client_key) if file]
        except OSError:
            return None
        return tuple((state.st_mtime_ns, state.st_ino, state.st_size) for state in found)

    def credentials(self) -> grpc.ChannelCredentials:
        """What to open a channel with, read now.

        Without an authority of its own it trusts those that gRPC trusts; `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH` names
        others.

        Raises:
            InvalidArgumentError: A file cannot be read, or is not what it should be.
        """
        ca_cert, client_cert, client_key = (
            _content(name, path) if path else None
            for name, path in (
                ("ca_cert", self.ca_cert),
                ("client_cert", self.client_cert),
                ("client_key", self.client_key),
            )
        )
        self._check()
        return grpc.ssl_channel_credentials(ca_cert, client_key, client_cert)

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_cert:
            try:
                context.load_verify_locations(self.ca_cert)
            except (ssl.SSLError, OSError) as error:
                raise _refusal("ca_cert", f"{self.ca_cert} holds no certificates as PEM") from error
        if self.client_cert:
            try:
                context.load_cert_chain(self.client_cert, self.client_key, _no_password)
            except (ssl.SSLError, OSError, ValueError) as error:
                files = f"{self.client_cert} and {self.client_key}"
                problem = f"{files} are no certificate and its private key, as PEM and without a password"
                raise _refusal("client_cert", problem) from error


def find_tls(options: TlsOptions | None) -> Tls | None:
    """What to speak TLS with: the argument's, else the environment's; None where neither says anything.

    Raises:
        InvalidArgumentError: It is of no use.
    """
    if options is not None and not isinstance(options, TlsOptions):
        raise invalid_argument("tls", f"must be a TlsOptions, not {type(options).__name__}")
    found = {
        field.name: os.fspath(getattr(options, field.name) if options is not None else "")
        or os.environ.get(f"REFLEXIO_{field.name.upper()}", "").strip()
        for field in fields(TlsOptions)
    }
    if not any(found.values()):
        return None
    if bool(found["client_cert"]) != bool(found["client_key"]):
        given, missing = ("client_cert", "client_key") if found["client_cert"] else ("client_key", "client_cert")
        raise _refusal(given, f"it needs {missing} beside it")
    tls = Tls(**found)
    tls.credentials()
    return tls


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _refusal(name, f"{path}: {error.strerror}") from error


def _refusal(name: str, problem: str) -> InvalidArgumentError:
    return invalid_argument(f"tls.{name}", problem)


def _no_password() -> NoReturn:
    """Called for a key that has a password; otherwise OpenSSL would ask whoever sits at the terminal."""
    message = "the key has a password"
    raise ValueError(message)
