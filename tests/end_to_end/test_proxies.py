"""A proxy that ends TLS before two replicas, with the configuration that deploy/proxies recommends."""

import asyncio
import base64

import pytest
import reflexio
from reflexio import TlsOptions

from tests.certificates import Authority
from tests.effort import LONG
from tests.end_to_end.replicas.serving import replicas
from tests.end_to_end.rolling.proxies import program, proxy
from tests.end_to_end.rolling.replacing import replace_all, under_load
from tests.validate.pictures import picture


@pytest.fixture(scope="module")
def authority():
    return Authority("ours")


@pytest.fixture(scope="module")
def servers(postgres, tmp_path_factory):
    """Two replicas."""
    with replicas(postgres.new_database(), 2, tmp_path_factory.mktemp("replicas")) as started:
        yield started


@pytest.fixture(params=["haproxy", "nginx"])
def proxied(request, servers, authority, tmp_path):
    """The URL of a proxy before them, and what to trust there."""
    if program(request.param) is None:
        pytest.skip(f"{request.param.upper()} IS NOT INSTALLED HERE: its configuration was not tried")
    # nginx changes to a user who may not look into the folders of pytest.
    with proxy(request.param, servers, authority, tmp_path) as url:
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        yield url, TlsOptions(ca_cert=tmp_path / "ca.pem")


def test_calls_and_streams_go_through_a_proxy_to_both_replicas(proxied, servers):
    url, tls = proxied
    before = [server.log.count("WhoAmI") for server in servers]
    with reflexio.ReflexioClient(url_endpoint=url, tls=tls) as client:
        for _ in range(20):
            assert client.whoami().role == "admin"
        calls = [server.log.count("WhoAmI") - count for server, count in zip(servers, before, strict=True)]
        assert min(calls) > 0
        assert sum(calls) == 20
        image = picture() + bytes(9_000_000)
        user = url
        client.publish_interaction(user, [{"content": "large", "image_encoding": _base64(image)}])
        lines = ({"user_id": user, "interactions": [{"content": f"{n}"}]} for n in range(300))
        assert all(not isinstance(result, Exception) for result in client.publish_interactions(lines))
        assert len(client.get_interactions(user, top_k=1000).interactions) == 301
        exported = list(client.export_data(user))
        assert len(exported) == 301
        with pytest.raises(reflexio.InvalidArgumentError) as refusal:
            client.publish_interaction(user, [{"role": "nothing to say"}])
        assert refusal.value.field_violations, "errors keep their details"
    stranger = reflexio.ReflexioClient(url_endpoint=url, timeout=5)
    with stranger, pytest.raises(reflexio.ServerUnreachableError):
        stranger.whoami()


def test_a_proxy_slows_who_logs_in_without_end_and_nobody_else(proxied):
    url, tls = proxied
    answers = []
    with reflexio.ReflexioClient(url_endpoint=url, tls=tls) as client:
        for _ in range(40):
            try:
                client.login("ana@example.com", "guess")
                answers.append("")
            except reflexio.ResourceExhaustedError as refusal:
                answers.append(str(refusal))
        assert answers[:30] == [""] * 30
        assert "too many logins from this address" in answers[-1]
        assert client.whoami().role == "admin"


def _base64(data):
    return base64.b64encode(data).decode()


@pytest.mark.skipif(not LONG, reason="REFLEXIO_LONG_TESTS runs it")
async def test_behind_a_proxy_no_call_fails_while_replicas_are_replaced(proxied, servers):
    url, tls = proxied
    tally = await under_load(url, tls, lambda: replace_all(servers, 2))
    assert tally.failed == []
    assert tally.lost == []
    assert min(tally.answered.values()) > 10


@pytest.mark.skipif(not LONG, reason="REFLEXIO_LONG_TESTS runs it")
async def test_no_call_fails_while_three_replicas_are_replaced(postgres, tmp_path):
    url = await asyncio.to_thread(postgres.new_database)
    with replicas(url, 3, tmp_path, "--connection-age-seconds", "1") as servers:
        addresses = "ipv4:" + ",".join(server.target for server in servers)
        tally = await under_load(addresses, None, lambda: replace_all(servers, 1))
    assert tally.failed == []
    assert tally.lost == []
    assert min(tally.answered.values()) > 10
