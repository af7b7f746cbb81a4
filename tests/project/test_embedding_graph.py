"""The committed graph of the embedding model is what its program writes."""

from reflexio_server.embed.minilm.weights import GRAPH

from tools.minilm_graph import built


def test_the_graph_is_current():
    assert GRAPH.read_bytes() == built().SerializeToString(deterministic=True), "run tools/minilm_graph.py"
