"""Writes the graph of all-MiniLM-L6-v2 that the server runs with ONNX Runtime: `python tools/minilm_graph.py`.

The graph has no weights: the server quantises those of the packaged model when it starts. Needs the package `onnx`,
which the server does not.

The texts of a batch lie one after the other, without padding: a tensor of shape (T, 384) for T tokens. Only the
attention sees them as (texts, longest, 384). Each row of an activation has a scale of its own, so that what comes out
for a text does not depend on the others in its batch.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from reflexio_server.embed.minilm.weights import (
    GELU_SHIFT,
    GRAPH,
    HEADS,
    HIDDEN,
    LAYERS,
    LINEAR,
    NORM_EPSILON,
    smoothing_name,
)

_CONTRIB = "com.microsoft"
_NO_BYTES = {"location": "given by the server", "offset": "0", "length": "0"}


class _Graph:
    """Nodes and tensors as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """Add a node with one output. Returns the output's name."""
        domain = _CONTRIB if operator in {"MatMulIntegerToFloat", "MultiHeadAttention", "Gelu"} else ""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, kind: int, *shape: int) -> str:
        """A tensor that the server brings."""
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in _NO_BYTES.items():
            tensor.external_data.add(key=key, value=value)
        self.tensors.append(tensor)
        return name

    def quantized(self, values: str, *, is_positive: bool = False) -> tuple[str, str]:
        """Rows as bytes, and the scale of each row: shapes (T, n) and (T, 1)."""
        sizes = values if is_positive else self.add("Abs", [values], f"{values}.sizes")
        largest = self.add("ReduceMax", [sizes], f"{values}.largest", axes=[-1], keepdims=1)
        scale = self.add("Mul", [largest, "1/255" if is_positive else "1/127"], f"{values}.scale")
        scales = self.add("Reshape", [scale, "flat"], f"{values}.scales")
        zeros = "zeros" if is_positive else "middles"
        return self.add("QuantizeLinear", [values, scales, zeros], f"{values}.bytes", axis=0), scale

    def linear(self, quantized: tuple[str, str], name: str, *, is_positive: bool = False) -> str:
        """What a linear layer makes of quantized rows."""
        rows, scale = quantized
        into, out = LINEAR[name.partition(".")[2]]
        weight = self.weight(f"{name}.weight", TensorProto.INT8, into, out)
        weight_scale = self.weight(f"{name}.weight_scale", TensorProto.FLOAT, out)
        bias = self.weight(f"{name}.bias", TensorProto.FLOAT, out)
        zero = "zero" if is_positive else "middle"
        product = self.add("MatMulIntegerToFloat", [rows, weight, "one", weight_scale, zero], f"{name}.product")
        return self.add("Add", [self.add("Mul", [product, scale], f"{name}.scaled"), bias], name)

    def norm(self, values: str, name: str) -> str:
        """Layer normalization. Not joined with the addition before: ONNX Runtime's joint operator is slower."""
        scale = self.weight(f"{name}.weight", TensorProto.FLOAT, HIDDEN)
        bias = self.weight(f"{name}.bias", TensorProto.FLOAT, HIDDEN)
        return self.add("LayerNormalization", [values, scale, bias], name, epsilon=NORM_EPSILON)

    def smoothed(self, values: str, name: str) -> str:
        return self.add("Mul", [values, self.weight(name, TensorProto.FLOAT, HIDDEN)], f"{name}.applied")


def built() -> onnx.ModelProto:
    """The graph: from the sums of the tokens' embeddings to the tokens' last hidden states."""
    graph = _Graph()
    for name, value in (
        ("1/127", np.float32(1 / 127)),
        ("1/255", np.float32(1 / 255)),
        ("one", np.float32(1)),
        ("zero", np.uint8(0)),
        ("middle", np.uint8(128)),
        ("gelu shift", np.float32(GELU_SHIFT)),
        ("flat", np.array([-1])),
        ("tokens", np.array([-1, HIDDEN])),
    ):
        graph.constant(name, np.asarray(value))
    graph.add("Shape", ["positions"], "count")
    graph.add("Expand", ["zero", "count"], "zeros")
    graph.add("Expand", ["middle", "count"], "middles")

    hidden = graph.norm("embedded", "embeddings.norm")
    for layer in range(LAYERS):
        hidden = _layer(graph, layer, hidden)
    floats, whole = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("embedded", floats, ["tokens", HIDDEN]),
        helper.make_tensor_value_info("places", whole, ["texts", "longest"]),
        helper.make_tensor_value_info("positions", whole, ["tokens"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["texts"]),
    ]
    outputs = [helper.make_tensor_value_info(hidden, floats, ["tokens", HIDDEN])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, outputs, graph.tensors),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_CONTRIB, 1)],
        ir_version=8,
        producer_name="reflexio",
    )


def _layer(graph: _Graph, layer: int, hidden: str) -> str:
    smooth = graph.smoothed(hidden, smoothing_name(layer, "attention"))
    rows = graph.quantized(smooth)
    padded = [
        graph.add("Gather", [graph.linear(rows, f"{layer}.{part}"), "places"], f"{layer}.{part}.padded")
        for part in ("query", "key", "value")
    ]
    seen = graph.add("MultiHeadAttention", [*padded, "", "lengths"], f"{layer}.attention", num_heads=HEADS)
    flat = graph.add("Reshape", [seen, "tokens"], f"{layer}.attention.flat")
    seen = graph.add("Gather", [flat, "positions"], f"{layer}.attention.tokens")
    attended = graph.linear(graph.quantized(seen), f"{layer}.attention_output")
    hidden = graph.norm(graph.add("Add", [attended, hidden], f"{layer}.attended"), f"{layer}.attention_norm")

    smooth = graph.smoothed(hidden, smoothing_name(layer, "feed_forward"))
    inner = graph.linear(graph.quantized(smooth), f"{layer}.feed_forward")
    inner = graph.add("Gelu", [inner], f"{layer}.gelu")
    inner = graph.add("Add", [inner, "gelu shift"], f"{layer}.gelu.shifted")
    outer = graph.linear(graph.quantized(inner, is_positive=True), f"{layer}.output", is_positive=True)
    return graph.norm(graph.add("Add", [outer, hidden], f"{layer}.sum"), f"{layer}.norm")


if __name__ == "__main__":
    GRAPH.write_bytes(built().SerializeToString(deterministic=True))
