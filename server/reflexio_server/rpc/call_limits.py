"""How many calls may come, and how long streams may rest: what the interceptors are made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from reflexio_server.settings import Settings


@dataclass(frozen=True)
class CallLimits:
    """Bounds for calls. 0 stands for none."""

    concurrent_calls: int
    concurrent_streams: int
    shares: Mapping[str, tuple[int, int]] | None
    """How many calls and streams a "key" and an "organization" may have; None where callers have no credentials."""
    stream_idle_seconds: float
    calls_per_second: float
    """Of one credential, as the next one."""
    interactions_per_second: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the operator chose. Where callers have no credentials there is no rate of one."""
        has_credentials = settings.auth != "none"
        return cls(
            settings.max_concurrent_calls,
            settings.max_concurrent_streams,
            {
                "key": (settings.max_concurrent_calls_per_key, settings.max_concurrent_streams_per_key),
                "organization": (
                    settings.max_concurrent_calls_per_organization,
                    settings.max_concurrent_streams_per_organization,
                ),
            }
            if has_credentials
            else None,
            settings.stream_idle_seconds,
            settings.max_calls_per_second if has_credentials else 0.0,
            settings.max_interactions_per_second if has_credentials else 0.0,
        )
