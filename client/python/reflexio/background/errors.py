"""Why a publish in the background was refused, beside what a server can say.

ReflexioError
└── SpoolError                  it could not be kept on disk, or not for long enough
    ├── SpoolBusyError          somebody else keeps the file locked, and enough waits for that in memory
    ├── SpoolFullError          so much waits already that there is no room
    └── PublishExpiredError     it waited for longer than it may
"""

from reflexio.errors import ReflexioError


class SpoolError(ReflexioError):
    """The spool cannot be used: no folder, no rights, no space, a damaged disk. `__cause__` says which."""

    status = "UNAVAILABLE"
    reason = "SPOOL_UNAVAILABLE"


class SpoolBusyError(SpoolError):
    """Somebody else keeps the spool's file locked."""

    reason = "SPOOL_BUSY"


class SpoolFullError(SpoolError):
    """The spool has as many bytes as it may have."""

    status = "RESOURCE_EXHAUSTED"
    reason = "SPOOL_FULL"


class PublishExpiredError(SpoolError):
    """It is older than `max_age`, or it was tried so long ago that the server no longer knows its idempotency key."""

    status = "DEADLINE_EXCEEDED"
    reason = "PUBLISH_EXPIRED"
