"""The one thread that runs the embedding model: joins texts of many callers into batches, the most urgent first.

Among what is equally urgent, users take turns: each batch is built around a text of another user, and the places left
in it are offered to all.
"""

import asyncio
import threading
import time
from collections.abc import Collection, Sequence

import numpy as np
import structlog

from reflexio_server.domain.errors import NotReady
from reflexio_server.domain.recent_queries import RecentQueries
from reflexio_server.embed.embedder import Embedder, Vectors
from reflexio_server.embed.fair_queue import FairQueue, Owner
from reflexio_server.embed.job import EmbeddingJob, Priority
from reflexio_server.telemetry import metrics
from reflexio_server.telemetry.tracing import work_span

_log = structlog.get_logger("reflexio.embed")

_BATCH_BYTES = 1536
"""Bytes of text in a batch, padding included: on two busy cores the longest that a query waits for is then some 40 ms.
Larger ones take the processors the same time for each text; smaller ones are hard to share out between two of them."""

_WINDOW = 64
"""Among how many waiting texts those of like length are looked for."""

_SPARED_SECONDS = 0.1
_REST = 4
"""For how long after a publish the backlog holds back, and how long it then rests for each second of work."""


_URGENCIES = {priority: {"priority": priority.name.lower()} for priority in Priority}

_Outcome = tuple[EmbeddingJob, Vectors | Exception]


class EmbeddingThread:
    """Runs an embedding model in a thread of its own. To be used from one event loop."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # Guarded by the condition.
        self._waiting: dict[Priority, FairQueue[EmbeddingJob]] = {p: FairQueue() for p in Priority}
        self._stopping = self._rests = False
        self._spared_until = self._rests_until = 0.0
        self._recent_queries: RecentQueries[Vectors] = RecentQueries()

    @property
    def embedder(self) -> Embedder:
        """The model that it runs."""
        return self._embedder

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or is being embedded."""
        return not any(self._waiting.values())

    async def follow(self) -> None:
        """Do nothing: a thread has one model only, as `Embedding` allows."""

    async def start(self) -> None:
        """Start the thread and load the model in it.

        Raises:
            ModelUnavailable: The model cannot be loaded.
        """
        loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(target=self._run, args=(loaded,), name="embedding")
        self._thread.start()
        await loaded

    async def stop(self) -> None:
        """End the thread after the batch that it is at; what waits fails with `NotReady`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            left = [job for jobs in self._waiting.values() for job in jobs]
            self._waiting = {priority: FairQueue() for priority in Priority}
        for job in left:
            if not job.result.done():
                job.result.set_exception(NotReady("stopping"))
                job.result.exception()  # Whoever asked may be gone, and asyncio would complain that nobody looked.
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def embed_query(self, text: str, owner: Owner = None) -> Vectors:
        """The vector of a query: shape (dimension,), read-only. It overtakes all documents.

        A query that does not fit the model gets the mean of the vectors of its pieces.

        Args:
            text: What is asked.
            owner: Who takes a turn among those who ask.
        """
        org_id = owner[0] if owner is not None else None
        vector = self._recent_queries.get(org_id, text)
        if vector is None:
            with work_span("embed a query"):
                pieces = await self._submit(text, Priority.QUERY, owner).result
            vector = np.asarray(pieces.mean(axis=0), dtype=np.float32)
            vector /= max(float(np.linalg.norm(vector)), float(np.finfo(np.float32).tiny))
            vector.flags.writeable = False
            self._recent_queries.keep(org_id, text, vector)
        return vector

    def embed_document(self, text: str, *, wanted: bool, owner: Owner = None) -> EmbeddingJob:
        """Have a text embedded; the job's result becomes the vectors of its pieces, or what the model raised.

        Args:
            text: What to embed.
            wanted: Whether somebody waits for it.
            owner: Who takes a turn among those whose texts are as urgent.
        """
        return self._submit(text, Priority.WANTED if wanted else Priority.BACKLOG, owner)

    def promote(self, job: EmbeddingJob) -> None:
        """Put a document in front of those for which nobody waits."""
        with self._changed:
            if self._waiting[Priority.BACKLOG].has(job.owner, job):
                self._waiting[Priority.BACKLOG].remove(job.owner, job)
                self._waiting[Priority.WANTED].add(job.owner, job)
                job.priority = Priority.WANTED
                self._changed.notify()

    def spare(self) -> None:
        """Leave the processors to calls for a moment, as `Embedding.spare` says."""
        self._spared_until = time.monotonic() + _SPARED_SECONDS

    def _submit(self, text: str, priority: Priority, owner: Owner) -> EmbeddingJob:
        job = EmbeddingJob(text, priority, owner, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._stopping or self._thread is None:
                raise NotReady("stopping" if self._stopping else "starting")
            self._waiting[priority].add(owner, job)
            # A thread that rests wakes by itself, and more of the backlog does not shorten that.
            if priority is not Priority.BACKLOG or not self._rests:
                self._changed.notify()
        return job

    # What follows runs in the thread.

    def _run(self, loaded: asyncio.Future[None]) -> None:
        try:
            self._embedder.load()
        except Exception as error:  # noqa: BLE001 -- whatever it is, it belongs to whoever awaits `start`.
            loaded.get_loop().call_soon_threadsafe(_settle, loaded, error)
            return
        loaded.get_loop().call_soon_threadsafe(_settle, loaded, None)
        while (batch := self._next_batch()) is not None:
            began = time.monotonic()
            urgency = _URGENCIES[batch[0].priority]
            with work_span("embed a batch", {**urgency, "reflexio.embedding.texts": len(batch)}):
                outcomes = self._encoded(batch)
            now = time.monotonic()
            metrics.batch_seconds.record(now - began, urgency)
            metrics.texts.add(len(batch), urgency["priority"])
            self._report(outcomes)
            if batch[0].priority is Priority.BACKLOG:
                self._rests_until = now + _REST * (now - began)

    def _pause(self) -> float | None:
        """Seconds until there is something to do; None where nothing waits.

        The backlog leaves the processors to calls, where some come.
        """
        if any(jobs for priority, jobs in self._waiting.items() if priority is not Priority.BACKLOG):
            return 0.0
        if not self._waiting[Priority.BACKLOG]:
            return None
        return max(0.0, min(self._rests_until, self._spared_until) - time.monotonic())

    def _next_batch(self) -> list[EmbeddingJob] | None:
        """Jobs whose next pieces to encode together; None when the thread is to end."""
        while True:
            with self._changed:
                while not self._stopping and (pause := self._pause()) != 0:
                    self._rests = pause is not None
                    self._changed.wait(pause)
                self._rests = False
                if self._stopping:
                    return None
                jobs = next(filter(None, self._waiting.values()))
                window = jobs.first(_WINDOW)
                for job in [job for job in window if job.result.cancelled()]:
                    jobs.remove(job.owner, job)
            window = [job for job in window if not job.result.cancelled()]
            if not window:
                continue
            if not window[0].is_split and not window[0].is_short:
                self._split(window[0])
                # That took a while, in which something more urgent may have come.
                continue
            ready = [job for job in window if job.is_split or (job.is_short and self._split(job))]
            if ready:
                with self._changed:
                    jobs.took_turn(ready[0].owner)
                return _batch_of(ready)

    def _split(self, job: EmbeddingJob) -> bool:
        try:
            job.split(self._embedder)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the fate of this text only.
            self._remove([job])
            self._report([(job, error)])
        return job.is_split

    def _encoded(self, batch: Sequence[EmbeddingJob]) -> list[_Outcome]:
        """Encode the next piece of each job. Returns what became of those that are finished by that."""
        outcomes: list[_Outcome] = []
        for job, vector in zip(batch, self._vectors_of(batch), strict=True):
            if isinstance(vector, Exception):
                outcomes.append((job, vector))
            elif job.add(vector):
                outcomes.append((job, job.vectors))
        finished = {job for job, _ in outcomes}
        self._remove(finished)
        with self._changed:
            # A long text goes to the end: the others need not wait for all of it.
            for job in batch:
                if job not in finished:
                    self._waiting[job.priority].postpone(job.owner, job)
        return outcomes

    def _vectors_of(self, batch: Sequence[EmbeddingJob]) -> Sequence[Vectors | Exception]:
        pieces = [job.next_piece for job in batch]
        try:
            vectors = self._embedder.encode(pieces, as_queries=batch[0].priority is Priority.QUERY)
            if vectors.shape != (len(pieces), self._embedder.dimension) or not np.isfinite(vectors).all():
                message = "the model gave no proper vector"
                raise ValueError(message)  # noqa: TRY301 -- treated like an error of the model's own.
        except Exception as error:  # noqa: BLE001 -- whatever the model raises, one text must not harm the others.
            if len(batch) == 1:
                return [error]
            _log.warning("the embedding model failed on a batch; trying its texts one by one", texts=len(batch))
            return [self._vectors_of([job])[0] for job in batch]
        return list(vectors)

    def _remove(self, jobs: Collection[EmbeddingJob]) -> None:
        with self._changed:
            for job in jobs:
                self._waiting[job.priority].remove(job.owner, job)

    @staticmethod
    def _report(outcomes: Sequence[_Outcome]) -> None:
        if outcomes:
            outcomes[0][0].result.get_loop().call_soon_threadsafe(_deliver, outcomes)


def _batch_of(jobs: Sequence[EmbeddingJob]) -> list[EmbeddingJob]:
    """The first of `jobs`, and those whose next pieces are nearest to its in length, as many as fit a batch."""
    sizes = {job: len(job.next_piece.encode()) for job in jobs}
    first = sizes[jobs[0]]
    batch: list[EmbeddingJob] = []
    longest = 0
    for job in sorted(jobs, key=lambda job: abs(sizes[job] - first)):
        longest = max(longest, sizes[job])
        if batch and longest * (len(batch) + 1) > _BATCH_BYTES:
            break
        batch.append(job)
    return batch


def _settle(loaded: asyncio.Future[None], error: Exception | None) -> None:
    if loaded.done():
        return
    if error is not None:
        loaded.set_exception(error)
    else:
        loaded.set_result(None)


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in outcomes:
        if job.result.done():
            continue
        if isinstance(outcome, Exception):
            job.result.set_exception(outcome)
        else:
            job.result.set_result(outcome)
