"""The weights of all-MiniLM-L6-v2 as the graph wants them: read from the published file and quantized.

Weights get seven bits and not eight: processors without VNNI add two products in sixteen bits, and with eight bits that
overflows without a word. So all processors make the same vectors.

A few channels of the hidden states are far larger than the others, and would leave these few steps of a common scale.
They are divided by a factor, and the weights multiplied by it (SmoothQuant, Xiao et al., 2022, equation 4 with an alpha
of a half).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LAYERS = 6
DIMENSION = HIDDEN = 384
FEED_FORWARD = 1536
HEADS = 12
NORM_EPSILON = 1e-12

LINEAR = {
    "query": (HIDDEN, HIDDEN),
    "key": (HIDDEN, HIDDEN),
    "value": (HIDDEN, HIDDEN),
    "attention_output": (HIDDEN, HIDDEN),
    "feed_forward": (HIDDEN, FEED_FORWARD),
    "output": (FEED_FORWARD, HIDDEN),
}
"""The linear layers in each of the model's layers: how many numbers go in and come out."""

GELU_SHIFT = 0.17
"""Added to what GELU gives, whose least value is -0.16997: so it is positive, and a byte needs no sign."""

GRAPH = Path(__file__).with_name("graph.onnx")
"""Made by tools/minilm_graph.py."""

CALIBRATION = Path(__file__).with_name("calibration.npz")
"""Made by tools/minilm_calibration.py: `smoothing`, the factors for what goes into the attention and the feed-forward
part of each layer, shape (6, 2, 384); and `known_vectors`, what the published model makes of the engine's texts."""

_LARGEST = 63
"""The largest quantized weight."""

_PUBLISHED = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "feed_forward": "intermediate.dense",
    "output": "output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "norm": "output.LayerNorm",
}
"""How the published file calls the parts of a layer."""


def smoothing_name(layer: int, part: str) -> str:
    """What the graph calls the factors by which it multiplies what goes into a part of a layer."""
    return f"{layer}.{part}.smoothing"


def published(path: Path) -> dict[str, Floats]:
    """The tensors of a safetensors file of 32-bit floats, by name: views of the file, read when they are used."""
    content = np.memmap(path, np.uint8, mode="r")
    begin = 8 + int(content[:8].view("<u8")[0])
    header = json.loads(content[8:begin].tobytes())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if entry["dtype"] == "F32":
            tensors[name] = content[begin + start : begin + end].view("<f4").reshape(entry["shape"])
    return tensors


def embeddings(tensors: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """The embedding of each word piece, and what is added to it at each position of a text."""
    positions = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    return tensors["embeddings.word_embeddings.weight"], positions


def for_graph(tensors: Mapping[str, Floats]) -> dict[str, NDArray[np.generic]]:
    """All tensors that the graph leaves to be given, by the names that it has for them."""
    given: dict[str, NDArray[np.generic]] = {}

    def take_norm(name: str, source: str) -> None:
        given[f"{name}.weight"] = np.array(tensors[f"{source}.weight"])
        given[f"{name}.bias"] = np.array(tensors[f"{source}.bias"])

    take_norm("embeddings.norm", "embeddings.LayerNorm")
    factors = np.load(CALIBRATION)["smoothing"]
    for layer in range(LAYERS):
        source = f"encoder.layer.{layer}"
        for part in ("attention_norm", "norm"):
            take_norm(f"{layer}.{part}", f"{source}.{_PUBLISHED[part]}")
        for part, factor in zip(("attention", "feed_forward"), factors[layer], strict=True):
            given[smoothing_name(layer, part)] = 1 / factor
        attention, feed_forward = factors[layer]
        smoothing = {"query": attention, "key": attention, "value": attention, "feed_forward": feed_forward}
        for part in LINEAR:
            weight = tensors[f"{source}.{_PUBLISHED[part]}.weight"] * smoothing.get(part, np.float32(1))
            quantized, scale = _quantized(weight)
            bias = tensors[f"{source}.{_PUBLISHED[part]}.bias"]
            if part == "output":
                bias = bias - np.float32(GELU_SHIFT) * scale * quantized.sum(axis=1, dtype=np.int32)
            given[f"{layer}.{part}.weight"] = np.ascontiguousarray(quantized.T)
            given[f"{layer}.{part}.weight_scale"] = scale
            given[f"{layer}.{part}.bias"] = bias.astype(np.float32)
    return given


def _quantized(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Integers and the scale of each output: shapes (out, in) and (out,)."""
    scale = np.abs(weight).max(axis=1) / np.float32(_LARGEST)
    return np.rint(weight / scale[:, np.newaxis]).astype(np.int8), scale
