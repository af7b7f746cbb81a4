"""Certificates for tests: authorities, and what they vouch for, as files."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Authority:
    """Vouches for whoever asks, for a day."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        made = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        self.pem = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        """Its own certificate."""

    def issue(self, *names: str) -> tuple[bytes, bytes]:
        """A certificate and its key. A name is that of a host, an IP address, or a URI such as a SPIFFE id."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        made = self._builder(subject, key).add_extension(alternatives, critical=False).sign(self._key, SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return made.public_bytes(Encoding.PEM), private

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


class Files:
    """A certificate, its key and the authorities to trust, in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"

    def put(self, pair: tuple[bytes, bytes], *authorities: Authority) -> None:
        """Write all of them, one after the other."""
        self.put_authorities(*authorities)
        replace(self.cert, pair[0])
        replace(self.key, pair[1])

    def put_authorities(self, *authorities: Authority) -> None:
        """Write whom to trust."""
        replace(self.ca, b"".join(authority.pem for authority in authorities))


def replace(path: Path, content: bytes) -> None:
    """Put another file in the place of one, at once, as those do who renew certificates."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
