"""How much of the annotated evidence vectors alone find, in a folder of conversations with questions."""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from reflexio_server.embed.embedder import Vectors

_ADVERSARIAL = 5
"""The category of questions that have no answer: they do not count."""


async def recall_at_10(
    folder: Path, documents: Callable[[Sequence[str]], Awaitable[Vectors]], query: Callable[[str], Awaitable[Vectors]]
) -> float:
    """The share of a question's evidence among its ten nearest interactions, on average over the questions.

    Args:
        folder: Has interactions.jsonl (`user_id`, `dia_id`, `speaker`, `text`) and queries.jsonl (`user_id`, `text`,
            `gold`, `category`).
        documents: Makes vectors of texts.
        query: Makes the vector of a question.
    """
    turns: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for turn in _lines(folder / "interactions.jsonl"):
        turns[turn["user_id"]].append(turn)
    # Stored in half precision, as the service does.
    stored = {
        user_id: (await documents([f"{turn['speaker']}: {turn['text']}" for turn in said])).astype("<f2").astype("<f4")
        for user_id, said in turns.items()
    }
    shares = []
    for question in _lines(folder / "queries.jsonl"):
        if question["category"] != _ADVERSARIAL:
            scores = stored[question["user_id"]] @ await query(question["text"])
            said = turns[question["user_id"]]
            found = {said[place]["dia_id"] for place in np.argsort(-scores)[:10]}
            shares.append(len(found & set(question["gold"])) / len(set(question["gold"])))
    return float(np.mean(shares))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
