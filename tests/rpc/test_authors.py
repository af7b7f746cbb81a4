"""From where a call comes, in one form for each address."""

from typing import Any, cast

import pytest
from reflexio_server.rpc.authors import address_of, client_of
from reflexio_server.rpc.interceptors.base import Context


class Connected:
    """What of a call is asked for."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:51000", "192.0.2.7"),
        ("ipv6:[2001:db8::7]:51000", "2001:db8::7"),
        ("ipv6:%5B2001:db8::7%5D:51000", "2001:db8::7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:51000", "fe80::1"),
        ("ipv6:[::ffff:192.0.2.7]:51000", "192.0.2.7"),
        ("unix:/run/reflexio.sock", ""),
        ("unix:", ""),
        ("ipv4:nonsense:1", ""),
        ("", ""),
    ],
)
def test_the_address_without_its_port(peer: str, address: str):
    assert address_of(cast(Context, cast(Any, Connected(peer)))) == address


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:192.0.2.7:51000", "192.0.2.7"),
        ("ipv6:[2001:db8:1:2:3::7]:51000", "2001:db8:1:2::/64"),
        ("ipv6:[::ffff:192.0.2.7]:51000", "192.0.2.7"),
        ("unix:", ""),
    ],
)
def test_whose_calls_without_a_key_are_counted_together(peer: str, network: str):
    assert client_of(cast(Context, cast(Any, Connected(peer)))) == network
