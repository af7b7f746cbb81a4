"""`reflexio serve` and its doors, as processes: what keeps it from listening, and certificates with workers."""

import ssl

import pytest
from cryptography import x509

from tests.certificates import Authority, Files
from tests.effort import LONG
from tests.end_to_end.test_serve import Serve, call, refused

CONNECTIONS = 24
"""The kernel gives each to one of the workers: that all of them go to one of two comes about once in eight million."""


def test_it_does_not_listen_for_everybody_and_says_what_to_do(tmp_path):
    for more in ((), ("--workers", "2")) if LONG else ((),):
        code, line = refused("--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path), *more)
        assert code == 2
        for word in ("--host", "--tls-cert", "--tls-key", "--auth api-key", "--insecure", "127.0.0.1"):
            assert word in line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_metrics_are_told_to_nobody_beyond_this_machine_before_that_is_checked(tmp_path, workers):
    asked = ("--metrics-port", "0", "--metrics-host", "0.0.0.0", "--workers", workers, "--log-level", "info")
    code, log = refused("--port", "0", "--data-dir", str(tmp_path), *asked)
    assert code == 2
    assert "Invalid value for --metrics-host: 0.0.0.0 can be reached from other machines" in log
    assert "metrics are told" not in log


def numbers_shown_at(port):
    """The serial numbers of the certificates that new connections are shown."""
    pems = [ssl.get_server_certificate(("127.0.0.1", port), timeout=30) for _ in range(CONNECTIONS)]
    return {x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in pems}


@pytest.mark.skipif(not LONG, reason="REFLEXIO_LONG_TESTS runs it")
def test_all_workers_show_a_changed_certificate(tmp_path):
    authority = Authority("ours")
    files = Files(tmp_path / "tls")
    files.put(authority.issue("localhost", "127.0.0.1"), authority)
    tls = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    server = Serve(tmp_path / "data", "--workers", "2", *tls)
    try:
        url = server.wait_until_listening().replace("http://", "https://")
        trust = ("--ca-cert", str(files.ca))
        call(url, "publish", "-u", "ann", "The parcel arrives on Tuesday", *trust)
        port = int(url.rpartition(":")[2])
        before = numbers_shown_at(port)
        assert len(before) == 1
        files.put(authority.issue("localhost", "127.0.0.1"), authority)
        after = numbers_shown_at(port)
        assert len(after) == 1
        assert after != before
        call(url, "status", *trust)
    finally:
        assert server.end() == (0, "")
