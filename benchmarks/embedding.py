"""The service's embedding beside plain sentence-transformers: `python -m benchmarks.embedding [--quick] …`.

Both engines of the packaged model run as in the service, behind its embedding thread. All contenders take turns in one
process with the same texts; the ratios are the result.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from reflexio_server.embed.batching import EmbeddingThread
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.packaged_embedder import PackagedEmbedder
from reflexio_server.embed.packaged_model import PACKAGED_MODEL, verified_folder
from reflexio_server.embed.sentence_transformer import SentenceTransformerEmbedder

from benchmarks import workload
from benchmarks.recall import recall_at_10
from benchmarks.report import Row, Section, at_least, at_most, machine, table
from benchmarks.workload import exchanges, questions

PLAIN = "SentenceTransformer.encode, batches of 32"
PYTORCH = "service, PyTorch"
ONNX_RUNTIME = "service, ONNX Runtime"

COLUMNS = (
    "engine",
    "texts/s",
    "texts / plain",
    "CPU ms a text",
    "query p50 ms",
    "query / plain",
    "mean cosine",
    "least cosine",
)
RECALL = "R@10"

_RECALL = "What the vectors find: `python -m benchmarks.embedding --recall FOLDER`, and `make quality`."


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure."""

    texts: int
    """In each turn."""
    queries: int
    """In each turn."""
    rounds: int


FULL = Effort(texts=256, queries=25, rounds=8)
QUICK = Effort(texts=48, queries=5, rounds=2)


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to make vectors."""

    documents: Callable[[Sequence[str]], Awaitable[Vectors]]
    query: Callable[[str], Awaitable[Vectors]]


@dataclass(slots=True)
class Measured:
    """What was measured of an engine, a figure for each turn."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    query_seconds: list[float] = field(default_factory=list)
    """The median of each turn."""
    vectors: list[Vectors] = field(default_factory=list)


def mixed_texts(seed: int, count: int) -> list[str]:
    """Messages as people and agents write them: a few words, a sentence, some long ones. All fit the model."""
    chance, said = Random(seed), exchanges(seed)
    sentences = (f"{turn['role']}: {turn['content']}" for exchange in said for turn in exchange)
    texts = []
    for kind in chance.choices(("few words", "sentence", "paragraph", "long"), (30, 45, 20, 5), k=count):
        first = next(sentences)
        if kind == "few words":
            texts.append(" ".join(first.split()[: chance.randint(2, 7)]))
        else:
            more = {"sentence": 0, "paragraph": chance.randint(1, 3), "long": chance.randint(4, 5)}[kind]
            texts.append(" ".join([first, *(next(sentences).partition(": ")[2] for _ in range(more))]))
    return texts


def _plain() -> Engine:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 -- seconds that `--help` need not take.

    model = SentenceTransformer(str(verified_folder()))

    async def documents(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        return vectors

    async def query(text: str) -> Vectors:
        return (await documents([text]))[0]

    return Engine(documents, query)


async def _of_service(embedder: Embedder, running: AsyncExitStack) -> Engine:
    thread = EmbeddingThread(embedder)
    await thread.start()
    running.push_async_callback(thread.stop)

    async def documents(texts: Sequence[str]) -> Vectors:
        jobs = [thread.embed_document(text, wanted=False) for text in texts]
        return np.stack([vectors[0] for vectors in await asyncio.gather(*(job.result for job in jobs))])

    return Engine(documents, thread.embed_query)


async def _turn(engine: Engine, measured: Measured, texts: Sequence[str], queries: Sequence[str]) -> None:
    began, cpu_began = time.perf_counter(), time.process_time()
    measured.vectors.append(await engine.documents(texts))
    measured.seconds.append(time.perf_counter() - began)
    measured.cpu_seconds.append(time.process_time() - cpu_began)
    latencies = []
    for query in queries:
        began = time.perf_counter()
        await engine.query(query)
        latencies.append(time.perf_counter() - began)
    measured.query_seconds.append(statistics.median(latencies))


async def section(effort: workload.Effort) -> Section:
    """The service's engines beside plain sentence-transformers, as a part of `make bench`."""
    results, _ = await _measured(QUICK if effort is workload.QUICK else FULL, None)
    plain = results[PLAIN]
    rows = []
    for engine, is_usual in ((ONNX_RUNTIME, True), (PYTORCH, False)):
        measured = results[engine]
        texts, queries = (at_least(3), at_most(0.5)) if is_usual else (None, None)
        how = "" if is_usual else " with PyTorch"
        rows += [
            Row(
                f"embed messages of all lengths{how}: texts a second",
                "/s",
                *(len(result.vectors[0]) / statistics.median(result.seconds) for result in (plain, measured)),
                _ratio(plain.seconds, measured.seconds),
                texts,
                headline=is_usual,
            ),
            Row(
                f"embed one query{how}: p50",
                "ms",
                *(1000 * statistics.median(result.query_seconds) for result in (plain, measured)),
                _ratio(measured.query_seconds, plain.query_seconds),
                queries,
                headline=is_usual,
            ),
        ]
    head = ("embedding", "plain encode in 32-batches", "service", "ratio", "target", "met")
    return Section("Embedding", rows, head, [_RECALL])


async def _measured(effort: Effort, folder: Path | None) -> tuple[dict[str, Measured], dict[str, float]]:
    async with AsyncExitStack() as running:
        engines = {
            PLAIN: _plain(),
            PYTORCH: await _of_service(SentenceTransformerEmbedder(PACKAGED_MODEL), running),
            ONNX_RUNTIME: await _of_service(PackagedEmbedder(), running),
        }
        results = {name: Measured() for name in engines}
        asked = questions(1)
        for engine in engines.values():
            await _turn(engine, Measured(), mixed_texts(0, 48), ["warm up"])
        for turn in range(1, effort.rounds + 1):
            texts = mixed_texts(turn, effort.texts)
            for name, engine in engines.items():
                await _turn(engine, results[name], texts, [next(asked) for _ in range(effort.queries)])
        recalls = {}
        if folder is not None:
            recalls = {
                name: await recall_at_10(folder, engine.documents, engine.query) for name, engine in engines.items()
            }
    return results, recalls


def _written(results: dict[str, Measured], recalls: dict[str, float], effort: Effort) -> str:
    plain = results[PLAIN]
    rows = []
    for name, measured in results.items():
        cosines = np.sum(np.concatenate(measured.vectors) * np.concatenate(plain.vectors), axis=1)
        rows.append(
            (
                name,
                f"{effort.texts / statistics.median(measured.seconds):,.0f}",
                f"{_ratio(plain.seconds, measured.seconds):.2f}",
                f"{1000 * statistics.median(measured.cpu_seconds) / effort.texts:.2f}",
                f"{1000 * statistics.median(measured.query_seconds):.2f}",
                f"{_ratio(measured.query_seconds, plain.query_seconds):.2f}",
                f"{cosines.mean():.4f}",
                f"{cosines.min():.4f}",
                *([f"{100 * recalls[name]:.1f}"] if recalls else []),
            )
        )
    return (
        f"Medians of {effort.rounds} turns of {effort.texts} texts and {effort.queries} queries: {machine()}.\n\n"
        + table((*COLUMNS, RECALL) if recalls else COLUMNS, rows)
    )


def _ratio(dividends: Sequence[float], divisors: Sequence[float]) -> float:
    """The median of the ratios of what was measured in the same turn."""
    return statistics.median(a / b for a, b in zip(dividends, divisors, strict=True))


def main() -> None:
    """Measure, and write the table to standard output and, if asked, to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description="Measure the embedding.")
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs, not how fast")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into this file too")
    parser.add_argument(
        "--recall",
        type=Path,
        metavar="FOLDER",
        help="also measure the recall on interactions.jsonl and queries.jsonl there",
    )
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    text = _written(*asyncio.run(_measured(effort, arguments.recall)), effort)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
