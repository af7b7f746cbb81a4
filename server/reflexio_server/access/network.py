"""What counts as one client on the network."""

import ipaddress


def network_of(address: str) -> str:
    """Of an IPv6 address the network of 64 bits, which one subscriber has; anything else as it is."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address
