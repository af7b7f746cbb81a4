"""What users write is what gRPC dials."""

import pytest
from reflexio import InvalidArgumentError, ReflexioClient
from reflexio._endpoint import find_endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("url", "target", "secure", "local"),
    [
        ("http://localhost:8081", "dns:///localhost:8081", False, True),
        ("http://127.0.0.1:8081/", "dns:///127.0.0.1:8081", False, True),
        ("HTTP://Example.com:1", "dns:///example.com:1", False, False),
        ("https://example.com:8443", "dns:///example.com:8443", True, False),
        ("https://example.com", "dns:///example.com:443", True, False),
        ("http://example.com", "dns:///example.com:80", False, False),
        ("example.com:9000", "dns:///example.com:9000", False, False),
        ("example.com", "dns:///example.com:8081", False, False),
        ("localhost:9000/", "dns:///localhost:9000", False, True),
        ("http://[::1]:8081", "dns:///[::1]:8081", False, True),
        ("dns:8081", "dns:///dns:8081", False, False),
        ("unix:/run/reflexio.sock", "unix:/run/reflexio.sock", False, True),
        ("unix:///run/reflexio.sock", "unix:///run/reflexio.sock", False, True),
        ("dns:///example.com:8081", "dns:///example.com:8081", False, False),
        ("dns://8.8.8.8/example.com:8081", "dns://8.8.8.8/example.com:8081", False, False),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", False, False),
        ("ipv6:[::1]:1", "ipv6:[::1]:1", False, False),
        ("xds:///reflexio", "xds:///reflexio", False, False),
    ],
)
def test_every_form_of_an_endpoint_is_understood(url, target, secure, local):
    endpoint = parse_endpoint(url, "a test")

    assert (endpoint.url, endpoint.target, endpoint.secure, endpoint.local) == (url, target, secure, local)


@pytest.mark.parametrize(
    ("url", "stays_here"),
    [
        ("ipv4:127.0.0.1:1,127.0.0.2:2", True),
        ("ipv6:[::1]:1", True),
        ("ipv4:127.0.0.1:1,10.0.0.2:2", False),
        ("ipv4:127.0.0.1", False),
        ("dns:///localhost:1", False),
        ("localhost", True),
        ("unix:/run/reflexio.sock", True),
        ("example.com", False),
    ],
)
def test_what_stays_on_this_machine_may_go_in_plain_text(url, stays_here):
    assert parse_endpoint(url, "a test").stays_here is stays_here


@pytest.mark.parametrize(
    "url",
    ["http://", "http://:8081", "http://host:99999", "host:port", "ftp://host:1", "http://host:8081/api", "http://host:0",
     "http:/localhost:8081", "a host:1", "http://host:1?x=1", "http://[::1:1"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused_with_what_one_looks_like(url):
    with pytest.raises(InvalidArgumentError, match=r"^url_endpoint: .*a test.*looks like") as caught:
        parse_endpoint(url, "a test")
    assert caught.value.field_violations[0].field == "url_endpoint"


@pytest.mark.parametrize("url", ["http://me:sesame@host:1", "me:sesame@host:1", "ftp://me:sesame@host"])
def test_a_password_in_an_endpoint_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidArgumentError) as caught:
        parse_endpoint(url, "a test")
    assert "sesame" not in str(caught.value)


def test_the_endpoint_is_looked_for_in_the_documented_order(monkeypatch):
    monkeypatch.delenv("REFLEXIO_API_URL", raising=False)
    monkeypatch.delenv("REFLEXIO_URL", raising=False)
    assert find_endpoint("").url == "http://localhost:8081"
    monkeypatch.setenv("REFLEXIO_URL", "older:1")
    assert find_endpoint("").url == "older:1"
    monkeypatch.setenv("REFLEXIO_API_URL", " newer:1\n")
    assert (find_endpoint("").url, find_endpoint("").origin) == ("newer:1", "REFLEXIO_API_URL")
    assert find_endpoint("given:1").url == "given:1"
    monkeypatch.setenv("REFLEXIO_API_URL", "")
    assert find_endpoint("").origin == "REFLEXIO_URL"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"url_endpoint": 8081}, "url_endpoint"),
        ({"api_key": "two\nlines"}, "api_key"),
        ({"api_key": "schlüssel"}, "api_key"),
        ({"api_key": b"key"}, "api_key"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "10"}, "timeout"),
        ({"timeout": True}, "timeout"),
    ],
)
def test_a_client_that_cannot_work_is_not_made(options, field):
    with pytest.raises(InvalidArgumentError) as caught:
        ReflexioClient(**options)
    assert caught.value.field_violations[0].field == field


def test_the_api_key_is_shown_by_nothing(monkeypatch):
    monkeypatch.setenv("REFLEXIO_API_KEY", "sesame-1")
    client = ReflexioClient(url_endpoint="localhost:1")

    assert client._connection.api_key == "sesame-1"
    assert "sesame" not in repr(client) + repr(client._connection)
    assert "localhost:1" in repr(client)
