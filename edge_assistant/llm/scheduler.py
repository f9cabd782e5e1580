"""Continuous batching: every step computes one token of each running answer and a slice of prompts.

A step is one decode call. Running answers come first, at the pace their reader or listener needs;
what time a step has left reads prompts, the one that is soonest done first unless another waited
as long as it takes. Background work goes on only while no person's question runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.llm.engine import BATCH_TOKENS, LlamaEngine
from edge_assistant.llm.job import Job
from edge_assistant.llm.pacing import SlicePlanner
from edge_assistant.llm.protocol import FinishReason, Generation
from edge_assistant.llm.residency import Residency
from edge_assistant.llm.template import ChatTemplate
from edge_assistant.llm.wire import Advanced, Emitted, Failed, Finished, Measured, Reply

logger = logging.getLogger(__name__)

MAX_WAITING = 64
"""Generations that may wait; more are refused with a hint when to come back."""

MAX_PREPARING = 4

_ANSWER_SHARE = 4
"""At least 1/4 of the context is kept free for the answer, or max_tokens if that is less."""

_KEPT_SHARE = 0.6
"""Share of the prompt's budget that is kept when old turns are left out: the next turns then fit."""

_PROGRESS_SECONDS = 0.2

_COMPUTED, _NO_FREE_CELLS = 0, 1
"""What llama_decode returns: done; no room was found and nothing changed. Others are errors."""


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
        planner: SlicePlanner,
    ) -> None:
        self._engine = engine
        self._residency = residency
        self._emit = emit
        self._template = ChatTemplate(engine.chat_template(), engine)
        self._context = context
        self._parallel = parallel
        self._planner = planner
        self._waiting: list[Job] = []
        self._running: list[Job] = []

    @property
    def active(self) -> bool:
        """Whether a step would do something."""
        return bool(self._waiting or self._running)

    @property
    def only_writes(self) -> bool:
        """Whether the next step reads no prompt, so that it is a short one with new words."""
        return bool(self._running) and not self._waiting and all(job.answering for job in self._running)

    def generate(self, generation: Generation) -> None:
        """Queue an answer; too many waiting ones are refused with MODEL_BUSY."""
        if len(self._waiting) >= MAX_WAITING:
            message = "too many questions are waiting for the model; try again later"
            self._emit(Failed(generation.id, "MODEL_BUSY", message, retry_after=10.0))
            return
        self._waiting.append(Job(generation))

    def prepare(self, generation: Generation) -> None:
        """Queue reading a prompt ahead of time; replaces an older wish for the same conversation."""
        preparing = self._preparing()
        for job in preparing:
            if job.generation.conversation == generation.conversation or len(preparing) >= MAX_PREPARING:
                self._leave(job)
                preparing = self._preparing()
        self._waiting.append(Job(generation, prepare_only=True))

    def cancel(self, generation_id: str) -> None:
        """End a generation now; unknown ids have ended already."""
        for job in [*self._waiting, *self._running]:
            if job.generation.id == generation_id and not job.prepare_only:
                self._finish(job, "cancelled")

    def forget(self, conversation: str) -> None:
        """Drop a conversation's KV everywhere; a running answer's goes when it ends."""
        for job in self._preparing():
            if job.generation.conversation == conversation:
                self._leave(job)
        self._residency.forget(conversation)

    def close(self) -> None:
        """End what runs and write the KV of all conversations to disk."""
        for job in [*self._waiting, *self._running]:
            self._leave(job)
        self._residency.save_all()

    def step(self) -> None:
        """Admit what has room, compute one batch, and hand out the tokens it made."""
        self._admit()
        eligible = self._eligible()
        answering = [job for job in eligible if job.answering]
        slices = self._slices(answering, [job for job in eligible if not job.answering])
        if not answering and not slices:
            return
        self._fill_batch(answering, slices)
        started = time.perf_counter()
        if not self._decode([*answering, *(job for job, _ in slices)]):
            return
        self._planner.measured(
            seconds=time.perf_counter() - started,
            prefilled=sum(count for _, count in slices),
            decoded=len(answering),
        )
        self._commit(answering, slices)

    # --- who runs

    def _admit(self) -> None:
        for job in sorted(self._waiting, key=lambda j: j.background):
            if not self._may_start(job):
                continue
            try:
                self._lay_out(job)
                if not self._place(job):
                    if self._running:
                        return  # the first in line waits for room; nobody overtakes it
                    message = "the model's memory has no room for this now; try again"
                    self._fail(job, "MODEL_BUSY", message, retry_after=5.0)
                    continue
            except EdgeError as error:
                self._fail(job, error.code, error.message)
                continue
            self._waiting.remove(job)
            self._running.append(job)

    def _may_start(self, job: Job) -> bool:
        if job.background:
            return not self._running
        for other in self._running:
            if _same_conversation(job, other):
                if not other.prepare_only:
                    return False  # its question needs the answer that is being made
                self._leave(other)
        return sum(not other.background for other in self._running) < self._parallel

    def _lay_out(self, job: Job) -> None:
        """Turn messages into tokens, once."""
        if job.layout is None:
            sampling = job.generation.sampling
            begun = self._engine.tokenize(job.generation.begun, control=False) if job.generation.begun else []
            budget = self._context - min(sampling.max_tokens, self._context // _ANSWER_SHARE) - len(begun)
            target = int(budget * _KEPT_SHARE)
            layout = self._template.layout(job.generation.messages, budget=budget, target=target)
            layout = msgspec.structs.replace(layout, tokens=[*layout.tokens, *begun])
            if not job.generation.public:
                layout = msgspec.structs.replace(layout, public=0)
            job.lay_out(layout, limit=min(sampling.max_tokens, self._context - len(layout.tokens)))

    def _place(self, job: Job) -> bool:
        """Give a job a sequence; False when there is no room for it now."""
        assert job.layout is not None
        generation = job.generation
        reserve = len(job.layout.tokens) + (0 if job.prepare_only else job.limit)
        while True:
            resident = self._residency.acquire(
                generation.conversation, generation.snapshot_key, job.layout, reserve=reserve
            )
            if resident is not None:
                break
            preparing = [other for other in self._preparing() if other in self._running]
            if not preparing:
                return False
            self._leave(preparing[0])
        job.admit(resident, self._engine)
        return True

    def _preparing(self) -> list[Job]:
        return [job for job in [*self._waiting, *self._running] if job.prepare_only]

    def _eligible(self) -> list[Job]:
        people = [job for job in self._running if not job.background]
        return people or self._running

    # --- one step

    def _slices(self, answering: list[Job], reading: list[Job]) -> list[tuple[Job, int]]:
        """Choose which prompts to read in this step and how many tokens of each."""
        if not reading:
            return []
        rate, now = self._planner.prefill_tokens_per_second, time.monotonic()
        reading = sorted(reading, key=lambda job: job.remaining - (now - job.arrived) * rate)
        gap = min((1 / max(job.generation.tokens_per_second, 1.0) for job in answering), default=None)
        size = self._planner.slice(remaining=reading[0].remaining, gap_seconds=gap)
        left = min(size, BATCH_TOKENS - len(answering))
        slices = []
        for job in reading:
            count = min(left, job.readable)
            if count:
                slices.append((job, count))
                left -= count
        return slices

    def _fill_batch(self, answering: list[Job], slices: list[tuple[Job, int]]) -> None:
        engine = self._engine
        engine.begin_batch()
        for job in answering:
            resident = job.held
            assert job.next_token is not None
            job.output_index = engine.add(
                job.next_token, len(resident.tokens), resident.sequence, output=True
            )
        for job, count in slices:
            resident, start = job.held, len(job.held.tokens)
            end = len(job.prompt) if not job.prepare_only else -1
            for position in range(start, start + count):
                output = position + 1 == end
                job.output_index = engine.add(
                    job.prompt[position], position, resident.sequence, output=output
                )

    def _decode(self, jobs: list[Job]) -> bool:
        """Compute the batch; False when it failed and the jobs concerned were ended."""
        code = self._engine.decode()
        while code == _NO_FREE_CELLS and self._residency.evict_one():
            code = self._engine.decode()
        if code == _COMPUTED:
            return True
        if code == _NO_FREE_CELLS:
            message = "the model's memory is full; ask again when other answers are done"
            self._fail(max(jobs, key=lambda job: job.arrived), "MODEL_BUSY", message, retry_after=10.0)
            return False
        logger.error("llama_decode returned %d", code)
        for job in jobs:
            self._residency.discard(job.held)
            job.resident = None
            self._fail(job, "MODEL_FAILED", "the model could not compute this answer; ask again")
        return False

    def _commit(self, answering: list[Job], slices: list[tuple[Job, int]]) -> None:
        """Take note of what the batch computed and sample the next tokens."""
        for job in answering:
            assert job.next_token is not None
            job.held.tokens.append(job.next_token)
            job.held.changed = True
            self._sample(job)
        for job, count in slices:
            assert job.layout is not None
            resident = job.held
            start = len(resident.tokens)
            resident.tokens += job.prompt[start : start + count]
            resident.changed = True
            self._residency.learn(resident, job.layout)
            if job.remaining:
                self._report_progress(job)
            elif job.prepare_only:
                self._leave(job)
            else:
                self._sample(job)

    def _sample(self, job: Job) -> None:
        try:
            token, text = job.choose(self._engine)
        except EdgeError as error:
            self._fail(job, error.code, error.message)
            return
        if self._engine.ends_answer(token):
            self._finish(job, "stop")
            return
        self._emit(Emitted(job.generation.id, text, (token,), time.monotonic(), job.certainty))
        job.next_token = token
        if job.stopped:
            self._finish(job, "stop")
        elif len(job.answer) >= job.limit:
            self._finish(job, "length")

    def _report_progress(self, job: Job) -> None:
        now = time.monotonic()
        if not job.prepare_only and now - job.reported >= _PROGRESS_SECONDS:
            job.reported = now
            self._emit(Advanced(job.generation.id, len(job.held.tokens), len(job.prompt)))

    # --- how a job ends

    def _finish(self, job: Job, reason: FinishReason) -> None:
        identity, rest = job.generation.id, job.rest()
        if rest:
            self._emit(Emitted(identity, rest, (), time.monotonic()))
        self._emit(Finished(identity, job.completion(reason)))
        if job.decode_rate:
            self._emit(Measured(self._planner.prefill_tokens_per_second, job.decode_rate))
        self._leave(job)

    def _fail(self, job: Job, code: str, message: str, *, retry_after: float | None = None) -> None:
        if not job.prepare_only:
            self._emit(Failed(job.generation.id, code, message, retry_after))
        self._leave(job)

    def _leave(self, job: Job) -> None:
        """Take a job out and keep the KV it computed."""
        for jobs in (self._waiting, self._running):
            if job in jobs:
                jobs.remove(job)
        if job.resident is not None:
            self._residency.release(job.resident)
            job.resident = None
        job.close()


def _same_conversation(job: Job, other: Job) -> bool:
    conversation = job.generation.conversation
    return conversation is not None and conversation == other.generation.conversation
