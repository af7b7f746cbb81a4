"""Any model that sentence-transformers can load, in PyTorch."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reflexio_server.embed.chunking import pieces
from reflexio_server.embed.embedder import ModelUnavailable, Vectors
from reflexio_server.embed.packaged_model import PACKAGED_MODEL, PIECE_TOKENS, verified_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_HUB_SECONDS = 5.0
"""How long to wait for the hub's first answer."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model. Making one costs nothing; `load` takes seconds."""

    def __init__(self, model: str) -> None:
        """Name the model.

        Args:
            model: "all-MiniLM-L6-v2" for the packaged one, a folder, or a name that sentence-transformers can load.
        """
        self._name = model
        self._model: SentenceTransformer | None = None
        self._dimension = 0
        self._window: int | None = None

    @property
    def name(self) -> str:
        """What the settings call the model."""
        return self._name

    @property
    def dimension(self) -> int:
        """How many numbers a vector has; 0 until the model is loaded."""
        return self._dimension

    def load(self) -> None:
        """Load the model, and use it once: the first use is the slowest.

        Raises:
            ModelUnavailable: It cannot be found, or the packaged one is damaged.
        """
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        # Else torch's threads spin while they wait for each other, and where Postgres or anything else needs a core
        # too, a batch of 16 that takes 70 ms now and then takes 750.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        packaged = verified_folder() if self._name == PACKAGED_MODEL else None
        try:
            # What is no name of a file at all, for its length say, is an error already here.
            path = packaged or Path(self._name).expanduser()
            is_local = path.is_dir()
            if is_local:
                os.environ.setdefault("HF_HUB_OFFLINE", "1")
            self._model = _loaded(str(path)) if is_local else _downloaded(self._name)
            self._dimension = self.encode(["warm up"]).shape[1]
            self._window = self._tokens_per_piece()
        except Exception as error:
            # Further lines are advice about other programs.
            message = f"cannot load the embedding model {self._name!r}: {str(error).partition(chr(10))[0]}"
            raise ModelUnavailable(message) from error

    def split(self, text: str) -> list[str]:
        """Pieces that fit the model's window. Each of them says who speaks, where `text` begins with that."""
        return [text] if self._window is None else pieces(text, self._offsets, self._window)

    def encode(self, texts: Sequence[str], *, as_queries: bool = False) -> Vectors:
        """One vector of unit length for each of `texts`."""
        model = self._ready()
        encode = model.encode_query if as_queries else model.encode_document
        vectors = encode(
            list(texts),
            batch_size=len(texts),
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.asarray(vectors, dtype=np.float32)

    def _tokens_per_piece(self) -> int | None:
        """How many tokens of a document the model reads; None where it reads all of them."""
        model = self._ready()
        tokenizer = model.tokenizer
        if not getattr(tokenizer, "is_fast", False) or not model.max_seq_length:
            return None
        prompt = model.prompts.get("document") or ""
        special = int(tokenizer.num_special_tokens_to_add())
        window = int(model.max_seq_length) - special - len(self._offsets(prompt))
        return min(window, PIECE_TOKENS) if self._name == PACKAGED_MODEL else window

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        tokens = self._ready().tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            verbose=False,
        )
        offsets: list[tuple[int, int]] = tokens["offset_mapping"]
        return offsets

    def _ready(self) -> "SentenceTransformer":
        if self._model is None:
            message = "the embedding model was not loaded"
            raise RuntimeError(message)
        return self._model


def _is_path(name: str) -> bool:
    """Whether a name can be that of a folder only: a model of the hub has at most its owner before it."""
    return name.startswith(("/", ".", "~")) or name.endswith("/") or name.count("/") > 1


def _downloaded(name: str) -> "SentenceTransformer":
    """A model of the Hugging Face hub, or what was downloaded of it before.

    Raises:
        OSError: It is neither there nor here.
    """
    from huggingface_hub import constants, get_session  # noqa: PLC0415 - as below

    if _is_path(name):
        raise FileNotFoundError(f"there is no folder {name}")
    hub = constants.ENDPOINT
    try:
        get_session().head(hub, timeout=_HUB_SECONDS)
    except Exception as unreachable:  # noqa: BLE001 -- its kind depends on the version of the library.
        # Each file of the model would be asked for again and again, for more than a minute.
        try:
            return _loaded(name, only_here=True)
        except OSError:
            obstacle = f"{hub} cannot be reached, or is not to be (HF_HUB_OFFLINE)"
            raise FileNotFoundError(f"it is no folder, was not downloaded before, and {obstacle}") from unreachable
    return _loaded(name, only_here=False)


def _loaded(name: str, *, only_here: bool = True) -> "SentenceTransformer":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Here, because importing it takes seconds that a command such as `reflexio --help` need not spend.
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging  # noqa: PLC0415

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        return SentenceTransformer(name, local_files_only=only_here)
