"""TLS and mutual TLS, and certificates that change while calls run."""

import asyncio
import ssl
from pathlib import Path

import pytest
import reflexio
from cryptography import x509
from reflexio import TlsOptions
from reflexio_server.rpc.certificates import CertificateFiles, Certificates
from reflexio_server.rpc.listening import UnsafeSettings

from tests.certificates import Authority, Files, replace
from tests.client.shells import SHELLS, opened
from tests.embed.eventually import eventually
from tests.running import running_server


@pytest.fixture(scope="module")
def ours():
    """Who vouches for the server."""
    return Authority("ours")


@pytest.fixture(scope="module")
def theirs():
    """Who vouches for clients."""
    return Authority("theirs")


@pytest.fixture(scope="module")
def server_files(tmp_path_factory, ours, theirs):
    files = Files(tmp_path_factory.mktemp("server"))
    files.put(ours.issue("localhost", "127.0.0.1"), theirs)
    return files


@pytest.fixture(scope="module")
def mutual(postgres, server_files):
    """A server that asks its clients for certificates. Connections are old after a second."""
    settings = {"tls_cert": server_files.cert, "tls_key": server_files.key, "tls_client_ca": server_files.ca}
    with running_server(postgres.new_database(), connection_age_seconds=1, **settings) as server:
        yield server


def shown(folder: Path, server_authority: Authority, pair: tuple[bytes, bytes]) -> TlsOptions:
    """What a client trusts and shows, in files."""
    files = Files(folder)
    files.put(pair, server_authority)
    return TlsOptions(ca_cert=files.ca, client_cert=files.cert, client_key=files.key)


def url_of(server, scheme="https"):
    return f"{scheme}://{server.target}"


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_certificate_of_the_right_authority_is_let_in(kind, mutual, tmp_path, ours, theirs):
    tls = shown(tmp_path, ours, theirs.issue("client"))
    async with opened(kind, url_of(mutual), tls=tls) as client:
        assert (await client.whoami()).role == "admin"
    async with opened(kind, f"ipv4:{mutual.target}", tls=tls) as client:
        assert (await client.whoami()).role == "admin", "a gRPC target speaks TLS where certificates are given"


async def test_others_are_not(mutual, tmp_path, ours, theirs):
    stranger = Authority("nobody knows it")
    no_certificate = TlsOptions(ca_cert=shown(tmp_path / "1", ours, theirs.issue("x")).ca_cert)
    wrong_authority = shown(tmp_path / "2", ours, stranger.issue("x"))
    server_unknown = shown(tmp_path / "3", stranger, theirs.issue("x"))
    other_name = shown(tmp_path / "4", ours, theirs.issue("x"))
    other_name = TlsOptions(other_name.ca_cert, other_name.client_cert, other_name.client_key, "elsewhere")
    nobody = [refused(url_of(mutual), tls) for tls in (no_certificate, wrong_authority, server_unknown, other_name)]
    told = await asyncio.gather(*nobody, refused(url_of(mutual, "http"), None))
    asks_for_certificate = "show one of an authority that it trusts (REFLEXIO_CLIENT_CERT"
    causes = (
        asks_for_certificate,
        asks_for_certificate,
        "not of an authority that is known here; name a file with that authority (REFLEXIO_CA_CERT)",
        "its certificate is for another name",
        "if it speaks TLS, give the endpoint as https://",
    )
    for text, cause in zip(told, causes, strict=True):
        assert cause in text
        assert "The endpoint comes from the argument url_endpoint" in text
        assert "SSL" not in text, "the words of gRPC's libraries"


async def test_a_server_that_speaks_no_tls_is_told_as_that(server):
    assert "it does not speak TLS; give the endpoint as http://" in await refused(url_of(server), None)


async def refused(url, tls):
    """What a client says that does not come to speak with the server."""
    async with opened("async", url, tls=tls, timeout=5) as client:
        with pytest.raises(reflexio.ServerUnreachableError) as refusal:
            await client.whoami()
    return str(refusal.value)


async def test_the_environment_says_the_same(mutual, tmp_path, ours, theirs, monkeypatch):
    tls = shown(tmp_path, ours, theirs.issue("client"))
    monkeypatch.setenv("REFLEXIO_CA_CERT", str(tls.ca_cert))
    monkeypatch.setenv("REFLEXIO_CLIENT_CERT", str(tls.client_cert))
    monkeypatch.setenv("REFLEXIO_CLIENT_KEY", str(tls.client_key))
    monkeypatch.setenv("REFLEXIO_SERVER_NAME", "localhost")
    async with opened("sync", f"ipv4:{mutual.target}") as client:
        assert (await client.whoami()).role == "admin"


async def go_on(client, enough):
    """Call until it is enough. Returns how often."""
    count = 0
    while not enough.is_set():
        await client.whoami()
        count += 1
    return count


def channel_of(client):
    """The channel that a client uses now."""
    [channel] = client.client._transport.channels._opened.values()
    return channel


async def test_certificates_change_on_both_sides_while_calls_run(mutual, server_files, tmp_path, ours, theirs):
    new_ours, new_theirs = Authority("new ours"), Authority("new theirs")
    follows = shown(tmp_path / "follows", ours, theirs.issue("follows"))
    Files(tmp_path / "follows").put_authorities(ours, new_ours)
    stays = shown(tmp_path / "stays", ours, theirs.issue("stays"))
    Files(tmp_path / "stays").put_authorities(ours, new_ours)
    enough = asyncio.Event()
    try:
        async with (
            opened("async", url_of(mutual), tls=follows) as following,
            opened("async", url_of(mutual), tls=stays, timeout=2) as staying,
        ):
            calls = [asyncio.create_task(go_on(following, enough)) for _ in range(3)]
            await staying.whoami()
            # The way without a gap: first trust both, then change what is shown, then trust the new one only.
            server_files.put(new_ours.issue("localhost", "127.0.0.1"), theirs, new_theirs)
            while await asyncio.to_thread(issuer_shown_at, mutual) != "new ours":
                await asyncio.gather(*(task for task in calls if task.done()))
            files = Files(tmp_path / "follows")
            replace(files.cert, (pair := new_theirs.issue("follows"))[0])
            await asyncio.sleep(0)
            replace(files.key, pair[1])
            async with opened("async", url_of(mutual), tls=shown(tmp_path / "new", new_ours, pair)) as new:
                assert (await new.whoami()).role == "admin"
            first = channel_of(following)
            await eventually(lambda: asyncio.sleep(0, channel_of(following) is not first))
            server_files.put_authorities(new_theirs)
            # Connections that are open stay open until they are old; then the former certificate is shown in vain.
            with pytest.raises((reflexio.ServerUnreachableError, reflexio.DeadlineExceededError)):
                await go_on(staying, enough)
            enough.set()
            assert min(await asyncio.gather(*calls)) > 0, "no call failed meanwhile"
    finally:
        enough.set()
        server_files.put(ours.issue("localhost", "127.0.0.1"), theirs)


def issuer_shown_at(server):
    """Who vouches for the certificate that a new connection is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", server.app.port), timeout=10)
    return x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string().removeprefix("CN=")


def test_what_does_not_fit_together_yet_is_passed_over(tmp_path, ours, theirs):
    files = Files(tmp_path)
    files.put(ours.issue("localhost"), theirs)
    certificates = Certificates(CertificateFiles(files.cert, files.key, files.ca))
    assert certificates._changed() is None
    new = ours.issue("localhost")
    replace(files.cert, new[0])
    assert certificates._changed() is None
    assert certificates._changed() is None
    files.key.unlink()
    assert certificates._changed() is None
    replace(files.key, new[1])
    assert certificates._changed() is not None
    assert certificates._changed() is None
    replace(files.ca, b"no certificate")
    assert certificates._changed() is None
    files.put_authorities(ours)
    assert certificates._changed() is not None


def test_files_that_are_of_no_use_are_named(tmp_path, ours):
    files = Files(tmp_path)
    files.put(ours.issue("localhost"), ours)
    other = Files(tmp_path / "other")
    other.put(ours.issue("localhost"), ours)
    good = CertificateFiles(files.cert, files.key, files.ca)
    Certificates(good)
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.write_bytes(b"")
    for cert, key, ca, setting in (
        (missing, files.key, None, "tls_cert"),
        (files.cert, missing, None, "tls_key"),
        (files.cert, other.key, None, "tls_cert"),
        (files.cert, files.key, missing, "tls_client_ca"),
        (files.cert, files.key, empty, "tls_client_ca"),
        (empty, files.key, None, "tls_cert"),
    ):
        with pytest.raises(UnsafeSettings) as refusal:
            Certificates(CertificateFiles(cert, key, ca))
        assert refusal.value.setting == setting
