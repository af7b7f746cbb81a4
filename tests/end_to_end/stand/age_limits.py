"""Age limits that are looked after often, for servers of campaigns: a round is over within the usual minute."""

from reflexio_server.publish import retention

_SECONDS_BETWEEN = 1.0


def apply_age_limits_often() -> None:
    """A server that this process starts deletes what is too old every second."""
    retention.SECONDS_BETWEEN = _SECONDS_BETWEEN
