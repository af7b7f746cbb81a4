"""An `https://` endpoint is spoken to through TLS, and only when its certificate is trusted."""

import shutil
import subprocess
from concurrent import futures

import grpc
import pytest
from reflexio.v1.server_service_pb2 import WhoAmIResponse

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")

PROGRAM = """
import asyncio, sys, reflexio
url, trusted = sys.argv[1], sys.argv[2] == "trusted"

def ask(url):
    with reflexio.ReflexioClient(url_endpoint=url, api_key="key-1", timeout=10) as client:
        return client.whoami().role

async def ask_async(url):
    async with reflexio.AsyncReflexioClient(url_endpoint=url, api_key="key-1", timeout=10) as client:
        return (await client.whoami()).role

if trusted:
    assert ask(url) == "admin"
    assert asyncio.run(ask_async(url)) == "admin"
for refused in ([] if trusted else [url]) + [url.replace("https", "http")]:
    try:
        ask(refused)
    except reflexio.ServerUnreachableError as error:
        assert refused in str(error), error
    else:
        raise SystemExit("nobody should have been talked to")
"""


@pytest.fixture
def certificate(tmp_path):
    """A key and a certificate of localhost that vouches for itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


@pytest.mark.parametrize("trust", ["trusted", "unknown"])
def test_tls_needs_a_certificate_that_is_trusted(certificate, trust, wire, run_program, monkeypatch):
    key, chain = certificate
    secure = grpc.server(futures.ThreadPoolExecutor(2))
    secure.add_generic_rpc_handlers((wire,))
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())])
    port = secure.add_secure_port("127.0.0.1:0", credentials)
    secure.start()
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse(role=3)
    if trust == "trusted":
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(chain))
    try:
        run_program(PROGRAM, f"https://localhost:{port}", trust)
    finally:
        secure.stop(None).wait()
    assert all(metadata["authorization"] == "Bearer key-1" for metadata in wire.metadata)
