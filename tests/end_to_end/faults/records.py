"""What is imported in a campaign: publications as exports write them, with ids and times made from their tags alone."""

import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from reflexio_server.store.tables import INTERACTION_ID_BLOCK

from tests.end_to_end.faults.publications import KEPT_SINCE, Publication

MOST_RECORDS = 30
"""In one import."""

_MOST_INTERACTIONS = 12
_MARGIN_SECONDS = 3600
"""What is younger than the age limit at the beginning of a round must be so at its end."""

_TIMES = 5_000_000


def age_limit() -> timedelta:
    """The one with which all goes now that was stored before `KEPT_SINCE`."""
    return timedelta(seconds=int(time.time()) - KEPT_SINCE)


def is_too_old(publication: Publication) -> bool:
    """Whether it is imported as something that the age limit takes away."""
    return publication.is_imported and _chance(publication.tag, "age").random() < 0.3


def record_of(publication: Publication) -> dict[str, Any]:
    """A record for `import_data`."""
    chance = _chance(publication.tag, "record")
    if is_too_old(publication):
        stored = KEPT_SINCE - 1 - chance.randrange(_TIMES)
    else:
        stored = KEPT_SINCE + _MARGIN_SECONDS + chance.randrange(_TIMES)
    first = _first_id(publication)
    return {
        "request_id": str(UUID(int=chance.getrandbits(128), version=4)),
        "user_id": publication.user_id,
        "session_id": publication.session_id,
        "source": publication.source,
        "agent_version": publication.tag,
        "created_at": _moment(stored, chance),
        "interactions": [
            {**given, "interaction_id": first + place, "created_at": _moment(given.get("created_at", stored), chance)}
            for place, given in enumerate(publication.interactions)
        ],
    }


def _first_id(publication: Publication) -> int:
    """Those of one import follow each other. Imports are so far apart that publishes between them draw other ids."""
    block = _chance(publication.session_id, "ids").randrange(2**20, 2**42)
    place = int(publication.tag.rpartition(".n")[2])
    return block * INTERACTION_ID_BLOCK + 1 + place * _MOST_INTERACTIONS


def _moment(seconds: int, chance: Random) -> str:
    # Never with zeros at its end, which an export leaves out.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{chance.randrange(10**8):08d}7Z"


def _chance(name: str, what: str) -> Random:
    return Random(f"{name} {what}")
