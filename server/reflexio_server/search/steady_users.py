"""Users of whom nothing has changed for a while, so that a search need not ask before it ranks."""

from typing import NamedTuple

from cachetools import LRUCache

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store.user_state import UserState

_MOST = 16_384
"""Of how many users something is kept."""


class _Seen(NamedTuple):
    state: UserState
    again: bool
    """Whether it was the same the time before."""


class SteadyUsers:
    """Expects of a user whose state was the same twice that it is the same once more.

    Where users speak and are searched by turns it expects nothing, because that would be a ranking in vain each time.
    """

    def __init__(self) -> None:
        # By hashes: what is expected is compared with what is there, so that nothing depends on whose it was, and no
        # name of a user who was erased stays in memory.
        self._seen: LRUCache[int, _Seen] = LRUCache(_MOST)

    def expected(self, org_id: OrgId, user_id: UserId) -> UserState | None:
        """The state that a user probably has; None where that is not known."""
        seen = self._seen.get(hash((org_id, user_id)))
        return seen.state if seen is not None and seen.again else None

    def note(self, org_id: OrgId, user_id: UserId, state: UserState | None) -> None:
        """Note what a user's state was just now; None where nothing was told of it."""
        key = hash((org_id, user_id))
        before = self._seen.pop(key, None)
        if state is not None and state.version is not None and not state.is_waiting:
            self._seen[key] = _Seen(state, again=before is not None and before.state == state)
