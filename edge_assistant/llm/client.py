"""The daemon's side of the `llm` worker: a `LanguageModel` that survives the worker's death."""

from __future__ import annotations

import logging

from edge_assistant.errors import EdgeError, ModelError, WorkerError
from edge_assistant.llm.pending import PendingAnswer, PendingForgets, PendingTuning
from edge_assistant.llm.protocol import (
    Generation,
    ModelPhase,
    ModelStatus,
    Progress,
    Stream,
)
from edge_assistant.llm.stream import FedStream, unstarted_completion
from edge_assistant.llm.wire import (
    Advanced,
    Cancel,
    Emitted,
    Failed,
    Finished,
    Forget,
    Forgotten,
    Generate,
    LlamaSettings,
    Measured,
    Prepare,
    Ready,
    Reply,
    Tune,
    Tuned,
    Tuning,
    TuningFailed,
    TuningWishes,
)
from edge_assistant.workers.supervisor import Worker, WorkerPhase, WorkerSpec, WorkerState

logger = logging.getLogger(__name__)

LLAMA_TARGET = "edge_assistant.llm.worker:main"

MAX_WAITING = 64
"""Generations that may wait while the model loads; more are refused with a hint when to come back."""

STOP_GRACE_SECONDS = 5.0
"""The worker saves its snapshots in this time."""

_FORGET_SECONDS = 10.0
_FRUITLESS_STARTS = 3
"""Deaths in a row while loading after which nobody is kept waiting for the next try."""

_PHASES: dict[WorkerPhase, ModelPhase] = {
    "starting": "loading",
    "ready": "loading",
    "restarting": "restarting",
    "failed": "failed",
    "stopped": "stopped",
}


class LlamaModel:
    """llama.cpp in a supervised process of its own, behind `LanguageModel`.

    Answers asked while it loads wait. When the worker dies, each running answer is continued once
    by the next one, without repeating text; dying again ends it with MODEL_WORKER_DIED. Use it in
    the event loop that started it.
    """

    def __init__(
        self,
        settings: LlamaSettings,
        name: str,
        *,
        memory_limit_mb: int = 0,
        worker_spec: WorkerSpec | None = None,
    ) -> None:
        """Prepare a model called `name`; `worker_spec` replaces how the worker is run."""
        spec = worker_spec or WorkerSpec(
            name="llm", target=LLAMA_TARGET, settings=settings, memory_limit_mb=memory_limit_mb
        )
        self._name = name
        self._worker: Worker[Reply] = Worker(spec, Reply, self._receive, self._change)
        self._worker_phase: WorkerPhase = "stopped"
        self._open = False
        """Between `start` and `stop`."""
        self._ready: Ready | None = None
        """What the present worker said once its model was loaded; None before."""
        self._refusal: ModelError | None = None
        """Why it can't answer until something changes; None when it can or soon may."""
        self._detail = ""
        self._speeds = Measured(0.0, 0.0)
        self._fruitless_starts = 0
        self._answers: dict[str, PendingAnswer] = {}
        """Generations that have not ended, by id, in the order they were asked."""
        self._forgets = PendingForgets()
        self._tuning = PendingTuning()

    @property
    def status(self) -> ModelStatus:
        """What the model is doing now."""
        phase: ModelPhase = "ready" if self._ready else _PHASES[self._worker_phase]
        if self._refusal is not None and self._worker_phase == "ready":
            phase = "failed"
        return ModelStatus(
            name=self._name,
            phase=phase,
            detail=self._detail,
            context=self._ready.context if self._ready else 0,
            prefill_tokens_per_second=self._speeds.prefill_tokens_per_second,
            decode_tokens_per_second=self._speeds.decode_tokens_per_second,
        )

    @property
    def worker_state(self) -> WorkerState:
        """The process behind it: pid, restarts, memory."""
        return self._worker.state

    async def start(self) -> None:
        """Begin to load the model; returns at once."""
        self._open = True
        self._refusal = None
        self._fruitless_starts = 0
        await self._worker.start()

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Stop the worker, which saves its snapshots first; what still runs fails. Idempotent."""
        self._open = False
        await self._worker.stop(grace_seconds)

    def generate(self, generation: Generation) -> Stream:
        """Begin an answer; errors are raised by iterating over the stream.

        MODEL_BUSY with `retry_after` when too many wait, MODEL_WORKER_DIED when the worker died
        twice, MODEL_STOPPED outside of `start` and `stop`, or what the worker says.
        """
        stream = FedStream(lambda: self._cancel(answer))
        answer = PendingAnswer(generation, stream)
        refusal = self._refuse(generation.id)
        if refusal is not None:
            stream.fail(refusal)
            return stream
        self._answers[generation.id] = answer
        if self._ready is not None:
            self._dispatch(answer)
        return stream

    async def prepare(self, generation: Generation) -> None:
        """Have the prompt read ahead of time; nothing happens when the model is not ready."""
        if self._ready is not None:
            self._send(Prepare(generation))

    async def forget(self, conversation: str) -> None:
        """Drop a conversation's KV; returns when the worker did, or after 10 s.

        A worker that is not running or loading deletes nothing: its memory is gone, and without
        the conversation's key, which goes with its row in the database, the file is noise.
        """
        if not self._send(Forget(conversation)) or self._ready is None:
            return
        if not await self._forgets.wait(conversation, _FORGET_SECONDS):
            logger.warning("the worker did not say within %g s that it forgot", _FORGET_SECONDS)

    async def tune(self, wishes: TuningWishes) -> Tuning:
        """Find out what is fastest here, while nobody asks anything; it may take long until then.

        Raises `ModelError` TUNING_NOT_POSSIBLE, MODEL_WORKER_DIED, or what the worker says.
        """
        return await self._tuning.wait(lambda: self._ready is not None and self._send(Tune(wishes)))

    # --- from generate to the worker

    def _refuse(self, identity: str) -> ModelError | None:
        if self._refusal is not None:
            return _copy(self._refusal)
        if not self._open:
            return ModelError("MODEL_STOPPED", "the model is not running; start the assistant")
        if identity in self._answers:
            return ModelError("MODEL_ID_IN_USE", "an answer with this id is being made already")
        if self._ready is None and len(self._answers) >= MAX_WAITING:
            message = "too many questions are waiting for the model to load; try again later"
            return ModelError("MODEL_BUSY", message, retry_after=10.0)
        return None

    def _dispatch(self, answer: PendingAnswer) -> None:
        """Give an answer to the worker; it goes on waiting when the worker has just died."""
        try:
            self._worker.send(Generate(answer.continued()))
            answer.sent = True
        except WorkerError as error:
            if error.code != "WORKER_GONE":
                message = "the question could not be given to the model; ask again, or shorter"
                self._fail(answer, ModelError("MODEL_BUSY", message, retry_after=error.retry_after))

    def _cancel(self, answer: PendingAnswer) -> None:
        already, answer.cancelled = answer.cancelled, True
        if answer.sent and (already or self._send(Cancel(answer.generation.id))):
            return  # the worker says when it stopped
        self._end_cancelled(answer)

    def _send(self, command: Prepare | Cancel | Forget | Tune) -> bool:
        try:
            self._worker.send(command)
        except WorkerError:
            return False
        return True

    # --- from the worker

    def _receive(self, reply: Reply) -> None:
        match reply:
            case Failed(""):
                self._load_failed(reply)
            case Emitted() | Advanced() | Finished() | Failed():
                answer = self._answers.get(reply.id)
                if answer is not None:
                    self._go_on(answer, reply)
            case Forgotten(conversation):
                self._forgets.resolve(conversation)
            case Measured():
                self._speeds = reply
            case Tuned() | TuningFailed():
                self._tuning.resolve(reply)
            case Ready():
                self._loaded(reply)

    def _go_on(self, answer: PendingAnswer, reply: Emitted | Advanced | Finished | Failed) -> None:
        match reply:
            case Emitted():
                answer.receive(reply)
            case Advanced(_, done, total):
                answer.report_progress(Progress(done, total))
            case Finished(identity, completion):
                del self._answers[identity]
                answer.complete(completion)
            case Failed(_, code, message, retry_after):
                self._fail(answer, ModelError(code, message, retry_after=retry_after))

    def _loaded(self, ready: Ready) -> None:
        logger.info("model %s is ready after %.0f ms", self._name, ready.load_ms)
        self._ready = ready
        self._refusal = None
        self._detail = ""
        self._fruitless_starts = 0
        for answer in list(self._answers.values()):
            self._dispatch(answer)

    def _load_failed(self, failed: Failed) -> None:
        logger.error("model %s can't be used: %s", self._name, failed.code)
        self._give_up(ModelError(failed.code, failed.message, retry_after=failed.retry_after))

    def _change(self, state: WorkerState) -> None:
        self._worker_phase = state.phase
        match state.phase:
            case "starting" | "ready":
                self._detail = "the model is being loaded" if self._refusal is None else self._detail
            case "restarting":
                self._lost(state.detail)
            case "failed":
                self._ready = None
                self._give_up(ModelError("MODEL_FAILED", f"the model can't be run: {state.detail}"))
            case "stopped":
                self._lost("it was stopped")
                self._detail = "the model was stopped"
                self._fail_all(ModelError("MODEL_STOPPED", "the model was stopped; ask again later"))

    def _lost(self, detail: str) -> None:
        """Keep what the next worker can continue and end the rest: the worker is gone."""
        self._fruitless_starts = 0 if self._ready else self._fruitless_starts + 1
        self._ready = None
        self._detail = f"the model is being restarted: {detail}"
        self._forgets.resolve_all()  # its memory went with it
        self._tuning.resolve(TuningFailed("MODEL_WORKER_DIED", f"the model was not tuned: {detail}"))
        for answer in [answer for answer in self._answers.values() if answer.sent]:
            self._bereave(answer)
        if self._fruitless_starts >= _FRUITLESS_STARTS:
            message = f"the model can't be loaded: {detail}; see `edge-assistant doctor`"
            self._give_up(ModelError("MODEL_WORKER_DIED", message, retry_after=30.0))

    def _bereave(self, answer: PendingAnswer) -> None:
        """Decide what becomes of an answer whose worker is gone."""
        answer.sent = False
        if answer.cancelled:
            self._end_cancelled(answer)
        elif answer.retried:
            message = "the model failed twice on this answer and was restarted; ask again"
            self._fail(answer, ModelError("MODEL_WORKER_DIED", message, retry_after=5.0))
        else:
            answer.retried = True

    # --- how answers end

    def _end_cancelled(self, answer: PendingAnswer) -> None:
        answer.sent = False
        self._answers.pop(answer.generation.id, None)
        answer.complete(unstarted_completion())

    def _fail(self, answer: PendingAnswer, error: EdgeError) -> None:
        self._answers.pop(answer.generation.id, None)
        answer.stream.fail(error)

    def _give_up(self, error: ModelError) -> None:
        """Refuse everything with `error` until the model loads after all."""
        self._refusal = error
        self._detail = error.message
        self._fail_all(error)

    def _fail_all(self, error: ModelError) -> None:
        for answer in list(self._answers.values()):
            self._fail(answer, _copy(error))


def _copy(error: ModelError) -> ModelError:
    """Give everyone an error of their own: an exception raised twice collects both tracebacks."""
    return ModelError(error.code, error.message, retry_after=error.retry_after)
