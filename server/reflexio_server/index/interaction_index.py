"""What an index of interactions is to the rest of the server."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.index.evidence import Evidence, Question
from reflexio_server.store.interaction_rows import InteractionRows


@dataclass(frozen=True, slots=True)
class Indexed:
    """Which interactions to search, and how fresh the index must be for that."""

    org_id: OrgId
    user_id: UserId
    model: str
    """The embedding model whose vectors to search."""
    dimension: int
    """Of its vectors."""
    version: int | None
    """The version of the user's vectors that must be seen; None where the user has none."""


class InteractionIndex(Protocol):
    """Finds candidates for the answer to a question, among the interactions of one user.

    Everything is considered that was committed with the version asked for, and nothing that was deleted by then.
    """

    def kept(self, indexed: Indexed) -> AbstractAsyncContextManager[None]:
        """Within the block, what one call has loaded is there for the next."""

    async def roles(self, indexed: Indexed) -> Collection[str]:
        """The roles that occur.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelSwitched: Another model is active.
        """

    async def evidence(self, indexed: Indexed, question: Question, waiting: InteractionRows | None) -> Evidence:
        """Candidates, with what speaks for each.

        Args:
            indexed: Which interactions.
            question: What to look for.
            waiting: Further ones, which have no vectors yet. Those that have got some meanwhile count as such.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelSwitched: Another model is active.
        """


class ModelSwitched(Exception):
    """Another embedding model is active than the one whose vectors were to be searched."""
