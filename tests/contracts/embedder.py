"""What any embedder promises."""

import itertools

import numpy as np
from reflexio_server.embed.embedder import Embedder

SHORT = [
    "User: I take my coffee black.",
    "Agent: Noted.",
    "x",
    "User: " + "Mein Hund heißt Bello und er frisst am liebsten Käse. " * 3,
    "日本語の文章です。",
    "🙂",
]


class EmbedderContract:
    """To be inherited by tests that have a fixture `embedder`, which was loaded."""

    def test_there_is_a_vector_of_unit_length_for_each_text(self, embedder: Embedder):
        vectors = embedder.encode(SHORT)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(SHORT), embedder.dimension)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)

    def test_a_vector_depends_on_its_text_only(self, embedder: Embedder):
        together = embedder.encode(SHORT)
        for text, vector in zip(SHORT, together, strict=True):
            assert float(embedder.encode([text])[0] @ vector) > 0.999
        assert float(together[0] @ together[1]) < 0.9

    def test_a_query_is_nearest_to_what_says_the_same(self, embedder: Embedder):
        query = embedder.encode(["I take my coffee black"], as_queries=True)[0]
        assert int(np.argmax(embedder.encode(SHORT) @ query)) == 0

    def test_a_short_text_stays_whole(self, embedder: Embedder):
        for text in SHORT:
            assert embedder.split(text) == [text]

    def test_the_pieces_of_a_long_text_say_all_of_it_and_overlap(self, embedder: Embedder):
        words = [f"word{number}" for number in range(3000)]
        pieces = embedder.split("User: " + " ".join(words))
        assert len(pieces) > 5
        found = [set(piece.split()) & set(words) for piece in pieces]
        assert set().union(*found) == set(words)
        assert all(one & next_ for one, next_ in itertools.pairwise(found))

    def test_no_piece_is_too_long_for_the_model(self, embedder: Embedder):
        """What stands at the end of a piece has an effect on its vector."""
        for piece in embedder.split("User: " + "the weather was fine that day. " * 1000)[:3]:
            changed = f"{piece.rsplit(' ', 1)[0]} zeppelin"
            one, other = embedder.encode([piece, changed])
            assert not np.allclose(one, other, atol=1e-4)
