"""Continuous batching: every step computes one token of each running answer and a slice of prompts.

A step is one decode call. Running answers come first, at the pace their reader or listener needs;
what time a step has left reads prompts, the one that is soonest done first unless another waited
as long as it takes. Background work runs only when no person waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edge_assistant.errors import EdgeError
from edge_assistant.llm.engine import BATCH_TOKENS, LlamaEngine
from edge_assistant.llm.job import Job
from edge_assistant.llm.pacing import SlicePlanner
from edge_assistant.llm.protocol import Completion, FinishReason, Generation
from edge_assistant.llm.residency import Residency
from edge_assistant.llm.template import ChatTemplate
from edge_assistant.llm.wire import Advanced, Emitted, Failed, Finished, Measured, Reply

logger = logging.getLogger(__name__)

MAX_WAITING = 64
"""Generations that may wait; more are refused with a hint when to come back."""

MAX_PREPARING = 4
_LARGEST_SLICE = 256
"""Prompt tokens in one step at most: larger slices read no faster (docs/benchmarks.md)."""

_ANSWER_SHARE = 4
"""At least 1/4 of the context is kept free for the answer, or max_tokens if that is less."""

_KEPT_SHARE = 0.6
"""Share of the prompt's budget that is kept when old turns are left out: the next turns then fit."""

_NO_FREE_CELLS = 1
"""What llama_decode returns when it found no room and changed nothing."""


class Scheduler:
    """Runs generations on an engine and reports through `emit`; owned by one thread.

    `context` is the most tokens one conversation may hold, `parallel` the most answers at a time.
    """

    def __init__(
        self,
        engine: LlamaEngine,
        residency: Residency,
        emit: Callable[[Reply], None],
        *,
        context: int,
        parallel: int,
        planner: SlicePlanner | None = None,
    ) -> None:
        self._engine = engine
        self._residency = residency
        self._emit = emit
        self._template = ChatTemplate(engine.chat_template(), engine)
        self._context = context
        self._parallel = parallel
        self._planner = planner or SlicePlanner(largest=_LARGEST_SLICE)
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._decode_rate = 0.0

    @property
    def active(self) -> bool:
        """Whether a step would do something."""
        return bool(self._waiting or self._running)

    def generate(self, generation: Generation) -> None:
        """Queue an answer; too many waiting ones are refused with MODEL_BUSY."""
        if len(self._waiting) >= MAX_WAITING:
            message = "too many questions are waiting for the model; try again later"
            self._emit(Failed(generation.id, "MODEL_BUSY", message, retry_after=10.0))
            return
        self._waiting.append(Job(generation))

    def prepare(self, generation: Generation) -> None:
        """Queue reading a prompt ahead of time; replaces an older wish for the same conversation."""
        same = [j for j in self._preparing() if j.generation.conversation == generation.conversation]
        for job in same or self._preparing()[: -MAX_PREPARING + 1]:
            self._leave(job)
        self._waiting.append(Job(generation, prepare_only=True))

    def cancel(self, generation_id: str) -> None:
        """End a generation now; unknown ids have ended already."""
        for job in [*self._waiting, *self._running]:
            if job.generation.id == generation_id:
                self._finish(job, "cancelled")

    def forget(self, conversation: str) -> None:
        """Drop a conversation's KV everywhere."""
        self._residency.forget(conversation)

    def close(self) -> None:
        """End what runs and write the KV of all conversations to disk."""
        for job in [*self._waiting, *self._running]:
            self._leave(job)
        self._residency.save_all()

    def step(self) -> None:
        """Admit what has room, compute one batch, and hand out the tokens it made."""
        self._admit()
        answering = [job for job in self._eligible() if job.answering]
        slices = self._slices(answering)
        if not answering and not slices:
            return
        self._fill_batch(answering, slices)
        started = time.perf_counter()
        if not self._decode():
            return
        prefilled = sum(count for _, count in slices)
        seconds = time.perf_counter() - started
        self._planner.measured(seconds=seconds, prefilled=prefilled, decoded=len(answering))
        self._commit(answering, slices)

    # --- admission

    def _admit(self) -> None:
        people = [job for job in self._waiting if not job.background]
        for job in people + [job for job in self._waiting if job.background]:
            if job.background and (people or any(not j.background for j in self._running)):
                return
            if len(self._running) >= self._parallel and not self._yield_background(job):
                return
            try:
                admitted = self._place(job)
            except EdgeError as error:
                self._fail(job, error.code, error.message)
                continue
            if admitted:
                self._waiting.remove(job)
                self._running.append(job)
            elif not self._running:
                self._fail(job, "MODEL_BUSY", "the context has no room for this now; try again", retry=5.0)

    def _place(self, job: Job) -> bool:
        """Give a job a sequence; False when there is no room for it now."""
        if job.layout is None:
            self._lay_out(job)
        assert job.layout is not None
        generation = job.generation
        reserve = min(self._context, len(job.prompt) + job.limit)
        if job.prepare_only:
            reserve = len(job.prompt)
        elif any(self._yield_background(job) for j in self._running if _same_conversation(j, job)):
            pass
        layout = job.layout if not generation.continuation else _extended(job)
        resident = self._residency.acquire(
            generation.conversation, generation.snapshot_key, layout, reserve=reserve
        )
        if resident is None:
            return False
        try:
            job.admit(resident, self._engine)
        except EdgeError:
            self._residency.release(resident)
            raise
        return True
