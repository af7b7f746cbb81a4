"""How near interactions are to a query with what was said beside them, computed the plain way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NEIGHBOUR_SHARE = np.float32(0.3)


@dataclass(frozen=True)
class Turn:
    """An interaction with the vector of its piece that is nearest to the query."""

    interaction_id: int
    created_at: int
    conversation: object
    """Equal for what was said in one session, or without a session in one request."""
    vector: np.ndarray


def similarities(turns: Sequence[Turn], query: np.ndarray) -> dict[int, float]:
    """The cosines that a search by meaning must find."""
    conversations: dict[object, list[Turn]] = {}
    for turn in sorted(turns, key=lambda turn: (turn.created_at, turn.interaction_id)):
        conversations.setdefault(turn.conversation, []).append(turn)
    found = {}
    for said in conversations.values():
        for place, turn in enumerate(said):
            mixed = turn.vector.copy()
            for beside in (place - 1, place + 1):
                if 0 <= beside < len(said):
                    mixed += _NEIGHBOUR_SHARE * said[beside].vector
            found[turn.interaction_id] = float(mixed @ query / np.linalg.norm(mixed))
    return found
