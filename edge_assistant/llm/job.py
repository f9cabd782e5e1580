"""One generation on its way through the scheduler: what it asked, what it made, how long it took."""

from __future__ import annotations

import time

from edge_assistant.llm.engine import LlamaEngine
from edge_assistant.llm.protocol import Completion, FinishReason, Generation
from edge_assistant.llm.residency import Resident
from edge_assistant.llm.sampler import Choosing, make_sampler
from edge_assistant.llm.template import Layout
from edge_assistant.llm.text import TextAssembler


class Job:
    """A generation that waits, reads its prompt, or answers.

    `layout` is set when it is first considered, `resident` while it holds a sequence, `next_token`
    once it answers: the token that the next step computes.
    """

    def __init__(self, generation: Generation, *, prepare_only: bool = False) -> None:
        self.generation = generation
        self.prepare_only = prepare_only
        self.background = prepare_only or generation.tokens_per_second <= 0
        self.layout: Layout | None = None
        """Prompt with the continuation; `public` is what conversations may share."""
        self.resident: Resident | None = None
        self.next_token: int | None = None
        self.output_index = -1
        self.certainty: float | None = None
        """How sure the model was of the newest token, when that is asked for."""
        self.answer: list[int] = list(generation.continuation)
        self.limit = 0
        """Most tokens of the answer, those of the continuation included."""
        self._sampler: Choosing | None = None
        self._assembler = TextAssembler(generation.sampling.stop)
        self._cached = 0
        self.arrived = time.monotonic()
        self.reported = self.arrived
        """When progress of reading was last reported."""
        self._admitted = self._first_token = 0.0

    @property
    def prompt(self) -> list[int]:
        """Tokens to read before the (rest of the) answer; empty before `lay_out`."""
        return self.layout.tokens if self.layout else []

    @property
    def held(self) -> Resident:
        """The sequence of an admitted job."""
        assert self.resident is not None
        return self.resident

    @property
    def remaining(self) -> int:
        """Prompt tokens still to be read."""
        return len(self.prompt) - len(self.held.tokens)

    @property
    def readable(self) -> int:
        """Prompt tokens that may be read in one step: none across the end of the public prefix.

        A sequence that holds exactly the public prefix can be copied for other conversations.
        """
        assert self.layout is not None
        have = len(self.held.tokens)
        return (self.layout.public if have < self.layout.public else len(self.prompt)) - have

    @property
    def answering(self) -> bool:
        """Whether the prompt is read and tokens are being made."""
        return self.next_token is not None

    def lay_out(self, layout: Layout, *, limit: int) -> None:
        """Set the prompt, which the tokens of a continued answer follow."""
        tokens = [*layout.tokens, *self.generation.continuation]
        self.layout = Layout(tokens, layout.public, layout.dropped_turns)
        self.limit = limit

    def admit(self, resident: Resident, engine: LlamaEngine) -> None:
        """Take a sequence and get ready; may raise `ModelError` SCHEMA_BAD."""
        self.resident = resident
        self._cached = len(resident.tokens)
        self._admitted = time.monotonic()
        if self.prepare_only:
            return
        self._sampler = make_sampler(engine, self.generation.sampling)
        for token in self.generation.continuation:
            self._sampler.accept(token)
            self._assembler.feed(engine.piece(token))

    def choose(self, engine: LlamaEngine) -> tuple[int, str]:
        """Sample the next token; return it and the text that can be shown now."""
        assert self._sampler is not None
        if self.generation.sampling.certainty:
            self.certainty = engine.certainty(self.output_index)
        token = self._sampler.sample(self.output_index)
        self._first_token = self._first_token or time.monotonic()
        if engine.ends_answer(token):
            return token, ""
        self.answer.append(token)
        return token, self._assembler.feed(engine.piece(token))

    @property
    def stopped(self) -> bool:
        """Whether a stop string appeared."""
        return self._assembler.stopped

    def rest(self) -> str:
        """Return text that was held back for a stop string that never came."""
        return self._assembler.finish()

    @property
    def decode_rate(self) -> float:
        """Tokens a second since the first; 0 when there were too few to tell."""
        spent = time.monotonic() - self._first_token
        made = len(self.answer) - len(self.generation.continuation) - 1
        return made / spent if self._first_token and made > 0 and spent > 0 else 0.0

    def completion(self, reason: FinishReason) -> Completion:
        """Return counts and times of this generation, which ends now."""
        now = time.monotonic()
        return Completion(
            reason=reason,
            token_ids=tuple(self.answer),
            prompt_tokens=len(self.prompt) - len(self.generation.continuation),
            cached_tokens=self._cached,
            completion_tokens=len(self.answer),
            dropped_turns=self.layout.dropped_turns if self.layout else 0,
            queue_ms=_ms((self._admitted or now) - self.arrived),
            prefill_ms=_ms((self._first_token or now) - (self._admitted or now)),
            first_token_ms=_ms((self._first_token or now) - self.arrived),
            total_ms=_ms(now - self.arrived),
        )

    def close(self) -> None:
        """Free native memory."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
