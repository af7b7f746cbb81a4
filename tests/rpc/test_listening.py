"""The server does not listen where others may come in unseen or unknown, unless it is told to."""

import errno
import socket

import pytest
from reflexio_server.rpc.listening import CannotListen, UnsafeSettings, check_doors, obstacle
from reflexio_server.settings import Settings

TLS = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
KEYS = {"auth": "api-key"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_this_machine_nothing_is_asked_for(host):
    check_doors(Settings(host=host))


BEYOND = ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1", "there.is.no.such.name.invalid"]


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_it_both_are_needed(host):
    for given, missing in (({}, ["--tls-cert", "--auth"]), (TLS, ["--auth api-key"]), (KEYS, ["--tls-cert"])):
        with pytest.raises(UnsafeSettings) as refusal:
            check_doors(Settings(host=host, **given))
        assert refusal.value.setting == "host"
        for word in (host, "--insecure", "127.0.0.1", *missing):
            assert word in str(refusal.value)
    check_doors(Settings(host=host, **TLS, **KEYS))


@pytest.mark.parametrize("host", BEYOND)
def test_metrics_are_for_this_machine_too(host):
    with pytest.raises(UnsafeSettings, match="--insecure") as refusal:
        check_doors(Settings(metrics_host=host, metrics_port=0, **TLS, **KEYS))
    assert refusal.value.setting == "metrics_host"
    check_doors(Settings(metrics_host=host))
    check_doors(Settings(metrics_host=host, metrics_port=0, insecure=True))
    check_doors(Settings(metrics_host="localhost", metrics_port=0))


@pytest.mark.parametrize("given", [{}, TLS, KEYS])
def test_who_says_insecure_gets_it(given):
    check_doors(Settings(host="0.0.0.0", insecure=True, **given))


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"tls_cert": "x"}, "tls_cert"),
        ({"tls_key": "x"}, "tls_key"),
        ({"tls_client_ca": "x"}, "tls_client_ca"),
        ({"tls_client_ca": "x", "tls_key": "x"}, "tls_key"),
    ],
)
def test_a_file_without_the_others_it_needs_is_refused(given, setting):
    with pytest.raises(UnsafeSettings) as refusal:
        check_doors(Settings(insecure=True, **given))
    assert refusal.value.setting == setting


def test_why_nobody_can_listen_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = str(CannotListen("127.0.0.1", port, obstacle("127.0.0.1", port)))
    assert told.startswith(f"cannot listen on 127.0.0.1:{port}: the port is taken")
    assert "--port" in told
    for host, problem in (("192.0.2.7", "is not an address of this machine"), ("no.such.invalid", "is not known")):
        told = str(CannotListen(host, 9000, obstacle(host, 9000)))
        assert told.endswith(f"{host} {problem}")
    denied = OSError(errno.EACCES, "Permission denied")
    assert str(CannotListen("127.0.0.1", 80, denied)) == "cannot listen on 127.0.0.1:80: Permission denied"


def test_nothing_is_in_the_way_of_a_free_port():
    assert obstacle("127.0.0.1", 0) is None
