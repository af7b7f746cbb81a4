"""The certificates that the server shows and asks for, read again when their files change."""

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

import grpc
import structlog

from reflexio_server.rpc.listening import UnsafeSettings
from reflexio_server.settings import Settings

_log = structlog.get_logger("reflexio.tls")

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class CertificateFiles:
    """Where the certificates are."""

    cert: Path
    key: Path
    client_ca: Path | None

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Those of the settings; None where they name none."""
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


class Certificates:
    """Gives gRPC the certificates at each handshake, so that a change needs no restart and ends no connection.

    Whoever renews them writes one file after the other: what does not fit together yet is passed over, and the former
    ones are shown until it does.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Read them.

        Raises:
            UnsafeSettings: A file cannot be read, or they do not fit together.
        """
        self._files = files
        # gRPC asks in threads of its own, also in two at once.
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._refused: _Stamp | None = None
        self._first = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """What to listen with. Where there is an authority for clients, each must show a certificate of it."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._changed,  # type: ignore[arg-type] # Its types do not know that None means no change.
            require_client_authentication=self._files.client_ca is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What to use from now on; None for what was used before."""
        with self._lock:
            try:
                stamp = self._look()
            except UnsafeSettings:
                return None  # Half of a change; the other half comes.
            if stamp in {self._stamp, self._refused}:
                return None
            try:
                read = self._read()
            except UnsafeSettings as error:
                self._refused = stamp
                _log.warning("changed certificates are of no use; the former ones stay", reason=str(error))
                return None
            self._stamp, self._refused = stamp, None
            _log.info("certificates were read again", cert=str(self._files.cert))
            return read

    def _look(self) -> _Stamp:
        """What changes when a file does, also where a link leads elsewhere.

        Raises:
            UnsafeSettings: A file is not there.
        """
        return tuple(_state(path, setting) for path, setting in _named(self._files))

    def _read(self) -> grpc.ServerCertificateConfiguration:
        contents = {setting: _content(path, setting) for path, setting in _named(self._files)}
        _check(self._files)
        return grpc.ssl_server_certificate_configuration(
            [(contents["tls_key"], contents["tls_cert"])], root_certificates=contents.get("tls_client_ca")
        )


def _named(files: CertificateFiles) -> list[tuple[Path, str]]:
    """Each file with the setting that names it."""
    found = [(files.cert, "tls_cert"), (files.key, "tls_key")]
    return [*found, (files.client_ca, "tls_client_ca")] if files.client_ca is not None else found


def _state(path: Path, setting: str) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise UnsafeSettings(f"{path}: {error.strerror}", setting) from error
    return found.st_mtime_ns, found.st_ino, found.st_size


def _content(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnsafeSettings(f"{path}: {error.strerror}", setting) from error


def _check(files: CertificateFiles) -> None:
    """Check that the files are what they should be, and that the key is the certificate's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.cert, files.key, _no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = f"{files.cert} and {files.key} are no certificate and its private key, as PEM and without a password"
        raise UnsafeSettings(reason, "tls_cert") from error
    if files.client_ca is None:
        return
    try:
        context.load_verify_locations(files.client_ca)
    except (ssl.SSLError, OSError) as error:
        raise UnsafeSettings(f"{files.client_ca} holds no certificates as PEM", "tls_client_ca") from error


def _no_password() -> NoReturn:
    """Called for a key that has a password; otherwise OpenSSL would ask whoever sits at the terminal."""
    message = "the key has a password"
    raise ValueError(message)
