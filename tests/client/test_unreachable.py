"""What is said of a server that does not answer at all."""

import socket

import pytest
from reflexio import ServerUnreachableError
from reflexio._endpoint import parse_endpoint
from reflexio._unreachable import explanation

from tests.client.shells import SHELLS, opened


@pytest.mark.parametrize("kind", SHELLS)
@pytest.mark.parametrize("seconds", [1, None])
async def test_whatever_the_timeout_a_server_that_is_off_is_told_as_that(kind, seconds):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with opened(kind, url, timeout=seconds) as shell:
            with pytest.raises(ServerUnreachableError) as caught:
                await shell.search_interactions(user_id="u", query="q")
    assert str(caught.value) == (
        f"could not reach {url}: connection refused. Is `reflexio serve` running there, is the port right, or does it "
        "speak TLS? Then write https://. The endpoint comes from the argument url_endpoint."
    )


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://localhost", "http://localhost (port 80)"),
        ("https://example.com/", "https://example.com/ (port 443)"),
        ("example.com", "example.com (port 8081)"),
        ("http://[::1]", "http://[::1] (port 80)"),
        ("http://localhost:9000/", "http://localhost:9000/"),
        ("unix:/run/reflexio", "unix:/run/reflexio"),
        ("dns:///example.com:9", "dns:///example.com:9"),
    ],
)
def test_the_port_that_was_tried_is_named(url, place):
    for said in ("timed out", "CERTIFICATE_VERIFY_FAILED"):
        text = explanation(parse_endpoint(url, "here"), said)
        assert text.removeprefix(f"could not reach {place}")[0] in ":."


def test_a_proxy_is_asked_about_where_one_may_be():
    for url in ("http://example.com", "https://example.com"):
        assert "is a proxy in between (https_proxy, no_proxy)" in explanation(parse_endpoint(url, "here"), "gone")
