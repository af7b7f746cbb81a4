"""Where a server listens. Needs no gRPC, for the process that only supervises."""


class CannotListen(Exception):
    """The address is taken or is not this machine's."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"cannot listen on {address_of(host, port)}: the address is in use or is not one of this machine's"
        )


def address_of(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
