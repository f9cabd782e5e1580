"""The `embed` worker: one ONNX model in a process of its own, offline, without telemetry.

Requests of people go before background ones; a background request is done a batch at a time, so that
a question waits for one batch at most.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import psutil

from edge_assistant.memory.embedding import (
    MAX_TEXT_CHARACTERS,
    Embed,
    Embedded,
    EmbedderSettings,
    EmbedFailed,
    Loaded,
)
from edge_assistant.workers.child import Channel, ChannelClosed

logger = logging.getLogger(__name__)

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Said before the libraries are imported: nothing here may look for a network."""

SENTENCES = (
    "The harbour was frozen for most of January.",
    "Whisk the eggs until they are stiff.",
    "My invoice from last month has the wrong date.",
    "Photosynthesis turns light into sugar.",
    "The goalkeeper was booked in the second half.",
    "Her violin needs new strings.",
    "Press the red button twice to reset the router.",
    "Parliament votes on the pension bill tomorrow.",
    "A hamster sleeps through most of the day.",
    "The bridge was built of granite in 1874.",
)
"""Of different worlds, to find out what an embedder makes of that."""

REST_SECONDS = 0.5
"""Background jobs wait so long after each request of a person: what follows it, such as the model's
first word, needs the processor more."""


def main(channel: Channel, settings: bytes) -> None:
    """Load the model that `settings` (msgpack of `EmbedderSettings`) names and serve `channel`.

    A model that can't be loaded is reported by `EmbedFailed` with id 0; the worker then stays up
    idle, because starting it again would change nothing.
    """
    wanted = msgspec.msgpack.decode(settings, type=EmbedderSettings)
    began = time.monotonic()
    threads = wanted.threads or _physical_cores()
    try:
        model = load_model(wanted, threads)
    except Exception as error:  # noqa: BLE001 - whatever the libraries raise about a file
        logger.error("the embedder can't be loaded: %s", error)  # noqa: TRY400
        channel.send(EmbedFailed(0, "EMBEDDER_FAILED", f"the embedder can't be loaded: {error}"[:300]))
        _idle(channel)
        return
    unrelated = wanted.unrelated if wanted.unrelated is not None else unrelated_cosine(model)
    channel.send(Loaded(round((time.monotonic() - began) * 1000, 1), threads, unrelated))
    Desk(channel, model, wanted).serve()


def load_model(settings: EmbedderSettings, threads: int) -> Any:
    """Return a fastembed model of a local folder."""
    os.environ.update(OFFLINE)
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    path = Path(settings.model_file)
    TextEmbedding.add_custom_model(
        model=settings.name,
        pooling=PoolingType.MEAN if settings.pooling == "mean" else PoolingType.CLS,
        normalization=True,
        sources=ModelSource(url="file://local"),  # never fetched: the path is given
        dim=settings.dimensions,
        model_file=path.name,
    )
    return TextEmbedding(
        settings.name,
        threads=threads,
        providers=["CPUExecutionProvider"],
        specific_model_path=str(path.parent),
        local_files_only=True,
        enable_cpu_mem_arena=False,
    )


def unrelated_cosine(model: Any) -> float:
    """Return the mean cosine of sentences that have nothing in common."""
    vectors = list(model.embed(SENTENCES, batch_size=1))
    pairs = list(itertools.combinations(vectors, 2))
    return sum(float(one @ other) for one, other in pairs) / len(pairs)


class _Job:
    """A request and how far it is done; the shortest texts go first, so that batches pad little."""

    def __init__(self, request: Embed) -> None:
        self.request = request
        self.vectors: list[bytes] = [b""] * len(request.texts)
        self.tokens = 0
        self.todo = deque(sorted(range(len(request.texts)), key=lambda n: len(request.texts[n])))


class Desk:
    """Takes requests and answers them, urgent ones first."""

    def __init__(self, channel: Channel, model: Any, settings: EmbedderSettings) -> None:
        self._channel = channel
        self._model = model
        self._settings = settings
        self._urgent: deque[_Job] = deque()
        self._background: deque[_Job] = deque()
        self._rests_until = 0.0
        """Before then (`time.monotonic`) background jobs wait."""
        self._decoder = msgspec.msgpack.Decoder(Embed)

    def serve(self) -> None:
        """Answer until the daemon goes or says stop."""
        while True:
            for payload in self._channel.receive(self._spare_seconds()):
                request = self._decoder.decode(payload)
                (self._background if request.background else self._urgent).append(_Job(request))
            if self._urgent:
                self._advance(self._urgent)
                self._rests_until = time.monotonic() + REST_SECONDS
            elif self._spare_seconds() == 0:
                self._advance(self._background)

    def _spare_seconds(self) -> float | None:
        """Return for how long there is nothing to do; None until something comes."""
        if self._urgent:
            return 0
        return max(0, self._rests_until - time.monotonic()) if self._background else None

    def _advance(self, queue: deque[_Job]) -> None:
        """Do one batch of the first job in `queue`."""
        job = queue[0]
        try:
            self._embed_batch(job)
        except Exception as error:  # noqa: BLE001 - one bad text must not end the worker
            queue.popleft()
            logger.error("a text could not be embedded: %s", type(error).__name__)  # noqa: TRY400
            message = "the text could not be turned into a vector; see the log"
            self._channel.send(EmbedFailed(job.request.id, "EMBEDDER_FAILED", message))
            return
        if not job.todo:
            queue.popleft()
            self._channel.send(Embedded(job.request.id, tuple(job.vectors), job.tokens))

    def _embed_batch(self, job: _Job) -> None:
        numbers = [job.todo.popleft() for _ in range(min(self._settings.batch, len(job.todo)))]
        prefix = self._settings.query_prefix if job.request.query else ""
        texts = [prefix + job.request.texts[number][:MAX_TEXT_CHARACTERS] for number in numbers]
        if not texts:
            return
        self._channel.begin_step()
        try:
            job.tokens += self._model.token_count(texts)
            for number, vector in zip(numbers, self._model.embed(texts, batch_size=len(texts)), strict=True):
                job.vectors[number] = vector.astype("<f4").tobytes()
        finally:
            self._channel.end_step()


def _physical_cores() -> int:
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def _idle(channel: Channel) -> None:
    try:
        while True:
            channel.receive(None)
    except ChannelClosed:
        return
