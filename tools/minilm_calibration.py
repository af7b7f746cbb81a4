"""Measures what the server needs to know to quantize all-MiniLM-L6-v2 well: `python tools/minilm_calibration.py`.

The published model reads some texts in PyTorch. How large each channel of its hidden states becomes is a matter of the
model, hardly of the texts: the same few channels are far larger than the others everywhere.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reflexio_server.embed.minilm.engine import KNOWN_TEXTS
from reflexio_server.embed.minilm.weights import CALIBRATION, HIDDEN, LAYERS
from reflexio_server.embed.packaged_model import verified_folder
from sentence_transformers import SentenceTransformer

_TEXTS = (
    "User: Hello! How are you doing today?",
    "Agent: Thanks, I'm well. What can I do for you?",
    "User: My parcel still hasn't arrived, and the tracking page says it was delivered on Monday.",
    "Agent: I'm sorry to hear that. What is the order number? It begins with two letters, such as QX-48213-B.",
    "User: TypeError: 'NoneType' object is not subscriptable, in line 42 of parse.py. What does it want from me?",
    "Agent: `config.get('paths')` returns None when the section is missing; check for that before you index it.",
    "User: yes",
    "Maria: We spent the whole of August at the lake with my sister's children, and it rained nearly every day!",
    "Tom: Wow, that sounds exhausting. Did you at least get some reading done?",
    "User: I'm allergic to peanuts and shellfish, and I don't eat meat on Fridays.",
    "Agent: Noted. I have booked a table for four at 19:30 on 3 June; the deposit is €25.00 and is not refundable.",
    "User: Could you recommend a quiet laptop with 32 GB of memory for under 1,500 dollars, preferably with Linux?",
    "The committee read the minutes of the last meeting and accepted them without discussion. After lunch the subject",
    "was the roof: two offers had come in, one of them much cheaper, and nobody could say why.",
    "User: Mein Hund heißt Bello und frisst am liebsten Käse.",
    "Usuario: ¿Dónde puedo cambiar mi contraseña? La página no carga desde ayer.",
    "ユーザー: 明日の会議は何時からですか。",
    "clicked: Add to basket (https://shop.example/items/8812?colour=blue&size=m)",
    "SELECT name, count(*) FROM orders WHERE created_at > '2024-03-01' GROUP BY name HAVING count(*) > 3;",
    "What did she say about moving to Lisbon?",
    "Why was the payment charged twice?",
    "🙂🙂 so happy for you!!!",
    "In 1905 Einstein published four papers, among them one on the equivalence of mass and energy.",
    "User: I finally ran my first half marathon in 2:04:31; my knee hurts, but I would do it again tomorrow.",
    "Agent: Error E1047 means that the export file is locked by another program. Close it and try again.",
)


def main() -> None:
    """Measure, and write the file."""
    model = SentenceTransformer(str(verified_folder()))
    layers = model[0].auto_model.encoder.layer
    largest: dict[tuple[int, int], NDArray[np.float32]] = defaultdict(lambda: np.zeros(HIDDEN, np.float32))

    def watch(module: Any, key: tuple[int, int]) -> None:
        def note(_module: Any, inputs: Any) -> None:
            sizes = inputs[0].detach().abs().reshape(-1, HIDDEN).amax(dim=0).numpy()
            largest[key] = np.maximum(largest[key], sizes)

        module.register_forward_pre_hook(note)

    for number, layer in enumerate(layers):
        watch(layer.attention.self.query, (number, 0))
        watch(layer.intermediate.dense, (number, 1))
    # One by one: what stands in the padding must not count.
    for text in _TEXTS:
        model.encode([text], show_progress_bar=False)

    smoothing = np.empty((LAYERS, 2, HIDDEN), np.float32)
    for number, layer in enumerate(layers):
        attention = layer.attention.self
        for part, linears in enumerate(
            ((attention.query, attention.key, attention.value), (layer.intermediate.dense,))
        ):
            weights = np.max([linear.weight.detach().abs().amax(dim=0).numpy() for linear in linears], axis=0)
            factor = np.sqrt(largest[number, part] / weights)
            smoothing[number, part] = factor / np.exp(np.log(factor).mean())
    known = model.encode(list(KNOWN_TEXTS), normalize_embeddings=True, show_progress_bar=False)
    np.savez(CALIBRATION, smoothing=smoothing, known_vectors=known)


if __name__ == "__main__":
    main()
