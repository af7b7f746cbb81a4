"""The packaged model in ONNX Runtime where that works, and else in sentence-transformers like any other."""

import importlib
from collections.abc import Sequence

import structlog

from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.packaged_model import PACKAGED_MODEL, verified_folder
from reflexio_server.embed.sentence_transformer import SentenceTransformerEmbedder

_log = structlog.get_logger("reflexio.embed")


def embedder_for(model: str) -> Embedder:
    """The embedding model of a name, not loaded.

    Args:
        model: "all-MiniLM-L6-v2" for the packaged one, a folder, or a name that sentence-transformers can load.
    """
    return PackagedEmbedder() if model == PACKAGED_MODEL else SentenceTransformerEmbedder(model)


class PackagedEmbedder:
    """The packaged model. `load` takes half a second, or seconds where ONNX Runtime cannot be used."""

    def __init__(self) -> None:
        self._engine: Embedder | None = None

    @property
    def name(self) -> str:
        """What the settings call the model."""
        return PACKAGED_MODEL

    @property
    def dimension(self) -> int:
        """How many numbers a vector has; 0 until the model is loaded."""
        return self._engine.dimension if self._engine is not None else 0

    def load(self) -> None:
        """Load the model, and use it once.

        Raises:
            ModelUnavailable: It is not installed, or damaged.
        """
        folder = verified_folder()
        try:
            # Here, because ONNX Runtime may be missing, or not work on this machine.
            minilm = importlib.import_module("reflexio_server.embed.minilm.engine")
            self._engine = minilm.MiniLm(folder)
        except Exception as error:  # noqa: BLE001 -- whatever it is, sentence-transformers does the same, more slowly.
            _log.warning("ONNX Runtime cannot run the embedding model; PyTorch does, slowly", error=str(error))
            fallback = SentenceTransformerEmbedder(PACKAGED_MODEL)
            fallback.load()
            self._engine = fallback

    def split(self, text: str) -> list[str]:
        """Pieces that fit the model's window. Each of them says who speaks, where `text` begins with that."""
        return self._ready().split(text)

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> Vectors:
        """One vector of unit length for each of `texts`."""
        return self._ready().encode(texts, as_queries=as_queries)

    def _ready(self) -> Embedder:
        if self._engine is None:
            message = "the embedding model was not loaded"
            raise RuntimeError(message)
        return self._engine
