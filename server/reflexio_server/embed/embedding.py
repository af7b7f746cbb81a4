"""What embeds: for those who need vectors of the active model and do not care how many models are loaded."""

from collections.abc import Coroutine
from typing import Any, Protocol

from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.fair_queue import Owner
from reflexio_server.embed.job import EmbeddingJob


class Embedding(Protocol):
    """Embeds with the active model. What a call returns is that model's which was active when it was made."""

    @property
    def embedder(self) -> Embedder:
        """The active model, as far as it is known here."""

    def embed_query(self, text: str, owner: Owner = None) -> Coroutine[Any, Any, Vectors]:
        """The vector of a query, as `EmbeddingThread.embed_query` says."""

    def embed_document(self, text: str, *, wanted: bool, owner: Owner = None) -> EmbeddingJob:
        """Have a text embedded, as `EmbeddingThread.embed_document` says."""

    def promote(self, job: EmbeddingJob) -> None:
        """Put a document in front of those for which nobody waits."""

    def spare(self) -> None:
        """Calls are coming: leave them the processors for a moment, where nobody waits for what is embedded."""

    async def follow(self) -> None:
        """Take the model that is active in Postgres now, if it is another one.

        Raises:
            DatabaseUnavailable: Postgres cannot be reached.
            ModelUnavailable: It cannot be loaded here.
        """
