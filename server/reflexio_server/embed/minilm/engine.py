"""The packaged model without PyTorch: texts to vectors."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from reflexio_server.embed.chunking import pieces
from reflexio_server.embed.embedder import Vectors
from reflexio_server.embed.minilm.encoder import Encoder
from reflexio_server.embed.minilm.weights import CALIBRATION, DIMENSION
from reflexio_server.embed.packaged_model import PACKAGED_MODEL, PIECE_TOKENS, WEIGHTS

_WINDOW = 256
"""How many word pieces the model reads, special ones included."""

KNOWN_TEXTS = (
    "User: My phone's battery is dead by noon, though it is only a year old.",
    "The committee met again and talked about the budget of the coming year.",
)
"""Their vectors are in the calibration file."""

_LEAST_COSINE = 0.99
"""To the vectors of the published model. It is 0.997 and more for these texts where nothing is wrong."""


class MiniLm:
    """all-MiniLM-L6-v2, loaded. To be used from one thread."""

    name = PACKAGED_MODEL
    dimension = DIMENSION

    def __init__(self, folder: Path) -> None:
        """Load it, and see whether its vectors are right.

        Args:
            folder: The published model.

        Raises:
            RuntimeError: They are not; or whatever ONNX Runtime raises where it does not work.
        """
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._encoder = Encoder(folder / WEIGHTS)
        right = np.load(CALIBRATION)["known_vectors"].astype(np.float32)
        least = float((self.encode(KNOWN_TEXTS) * right).sum(axis=1).min())
        if not least >= _LEAST_COSINE:
            message = f"its vectors are wrong on this machine: their cosine to the right ones is {least:.3f}"
            raise RuntimeError(message)

    def load(self) -> None:
        """Do nothing: it is loaded."""

    def split(self, text: str) -> list[str]:
        """Pieces that fit the model's window. Each of them says who speaks, where `text` begins with that."""
        return pieces(text, self._offsets, PIECE_TOKENS)

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> Vectors:
        """One vector of unit length for each of `texts`."""
        return self._encoder.encode([_cut(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts))])

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokenizer.encode(text, add_special_tokens=False).offsets


def _cut(ids: list[int]) -> list[int]:
    """The numbers of the word pieces that the model reads, the closing one included."""
    return ids if len(ids) <= _WINDOW else [*ids[: _WINDOW - 1], ids[-1]]
