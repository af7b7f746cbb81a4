"""What to say about a server that is not reached: gRPC knows why, in words of its libraries."""

from reflexio._endpoint import Endpoint

_CAUSES = (
    ("WRONG_VERSION_NUMBER", "it does not speak TLS; give the endpoint as http://"),
    ("certificate has expired", "its certificate has expired"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is not of an authority that is known here; name a file with that authority (REFLEXIO_CA_CERT)",
    ),
    (
        "Hostname Verification Check failed",
        "its certificate is for another name; use that one, or say that it is the right one (REFLEXIO_SERVER_NAME)",
    ),
)
"""By what gRPC says when TLS fails."""

_REFUSED = "Connection refused"
_HUNG_UP = ("Socket closed", "Connection reset")
_ASKS_FOR_CERTIFICATE = (
    "it hung up; if it asks clients for certificates, show one of an authority that it trusts (REFLEXIO_CLIENT_CERT, "
    "REFLEXIO_CLIENT_KEY)"
)
_ASKS_FOR_TLS = "it hung up; if it speaks TLS, give the endpoint as https://"


def explanation(endpoint: Endpoint, text: str) -> str:
    """Why no connection came about, as far as one can tell.

    Args:
        endpoint: Where to.
        text: What gRPC says.
    """
    if (cause := _cause(endpoint, text)) is not None:
        return f"could not reach {_place(endpoint)}: {cause}. {_origin(endpoint)}"
    # It speaks of one of the two addresses of localhost, which may not be the one where somebody listens.
    said = (
        "" if endpoint.target.startswith("dns:///localhost:") else f": {_REFUSED.lower() if _REFUSED in text else text}"
    )
    return f"could not reach {_place(endpoint)}{said}. {questions(endpoint)}"


def questions(endpoint: Endpoint) -> str:
    """What to check."""
    first = "Is `reflexio serve` running there, is the port right"
    if not endpoint.local:
        first += ", is a proxy in between (https_proxy, no_proxy)"
    if endpoint.secure:
        last = (
            "does it speak TLS, as https:// asks for, is its certificate's authority known here (REFLEXIO_CA_CERT), is "
            "it for this name (REFLEXIO_SERVER_NAME), does it ask for a certificate of yours (REFLEXIO_CLIENT_CERT)?"
        )
    else:
        last = "or does it speak TLS? Then write https://."
    return f"{first}, {last} {_origin(endpoint)}"


def _cause(endpoint: Endpoint, text: str) -> str | None:
    # A connection that served already is cut when a server ends, whatever was spoken on it.
    if "failed to connect" in text and any(sign in text for sign in _HUNG_UP):
        return _ASKS_FOR_CERTIFICATE if endpoint.secure else _ASKS_FOR_TLS
    return next((cause for sign, cause in _CAUSES if sign in text), None)


def _place(endpoint: Endpoint) -> str:
    """The endpoint as the user wrote it, and its port where the user wrote none."""
    port = endpoint.target.rpartition(":")[2]
    known = endpoint.target == endpoint.url or endpoint.url.rstrip("/").endswith(f":{port}")
    return endpoint.url if known else f"{endpoint.url} (port {port})"


def _origin(endpoint: Endpoint) -> str:
    return f"The endpoint comes from {endpoint.origin}."
