"""Clients of servers on this machine."""

import warnings

import reflexio


def connected(endpoint: str, api_key: str = "", timeout: float | None = None) -> reflexio.ReflexioClient:
    """A client that may send its key in plain text, also to a list of addresses, which counts as another machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", reflexio.InsecureChannelWarning)
        return reflexio.ReflexioClient(api_key, endpoint, timeout)
