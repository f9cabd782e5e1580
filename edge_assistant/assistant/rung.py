"""The rung of the answer ladder that a language model stands on: from a question to a generation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from edge_assistant.assistant.events import Route
from edge_assistant.assistant.forecast import Forecast
from edge_assistant.assistant.function import call_schema, fence, instructions
from edge_assistant.assistant.gist import lead
from edge_assistant.assistant.ladder import Passage
from edge_assistant.assistant.personas import system_prompt
from edge_assistant.assistant.prompt import build_messages, with_system
from edge_assistant.assistant.queue import FairQueue, Tell
from edge_assistant.assistant.request import Brought, Function, Principal
from edge_assistant.assistant.routing import Outlook
from edge_assistant.config import Config
from edge_assistant.errors import BusyError
from edge_assistant.llm.protocol import Completion, Generation, LanguageModel, Sampling
from edge_assistant.memory.conversations import Conversations
from edge_assistant.people.allowance import Allowance

BACKGROUND = 0.0
"""A pace that yields to every answer."""


LEFT_OUT_READ = 200
"""Messages that were left out of which the gist is made: the latest ones."""

GIST_SHARE = 16
"""The gist may take this part of the context."""

CHARACTERS_PER_TOKEN = 4


class ModelRung:
    """A language model, the system prompt and sampling of every answer here, and the line before it."""

    def __init__(self, config: Config, conversations: Conversations, model: LanguageModel) -> None:
        self.model = model
        self._conversations = conversations
        self._config = config
        self.functions: tuple[Function, ...] = ()
        """Tools that the model may call; they stand in every system prompt, whoever asks."""
        self._system = system_prompt(config)
        self._local = config.llm.engine == "llama"
        self._sampling = Sampling(
            # Half of the context stays for what is asked, however small the context is.
            max_tokens=min(config.llm.max_tokens, config.llm.context // 2),
            temperature=config.llm.temperature,
        )
        self._gist_characters = config.llm.context // GIST_SHARE * CHARACTERS_PER_TOKEN
        settings = config.assistant
        self._allowance = Allowance(per_minute=settings.answers_per_minute, burst=settings.answers_burst)
        self._queue = FairQueue(config.llm.parallel)
        self._forecast = Forecast()

    def configure(self, config: Config) -> None:
        """Let later answers follow another name, persona or language."""
        self._config = config
        self.offer(self.functions)

    def offer(self, functions: Sequence[Function]) -> None:
        """Let later answers call these tools. Every prompt changes: all are read anew."""
        self.functions = tuple(functions)
        self._system = system_prompt(self._config)
        if self.functions:
            self._system += f"\n\n{instructions(self.functions, required=False)}"

    def may_call(self, generation: Generation) -> Generation:
        """Return the generation with calls of the offered tools bound to their schemas."""
        sampling = msgspec.structs.replace(
            generation.sampling, json_schema=call_schema(self.functions), fence=fence(required=False)
        )
        return msgspec.structs.replace(generation, sampling=sampling)

    @property
    def name(self) -> str:
        """The model's name, kept with each answer: its token ids mean nothing to another model."""
        return self.model.status.name

    @property
    def route(self) -> Route:
        """What an answer's result says about its way."""
        if self._local:
            return Route(rung="local", model=self.name, reason="the model on this device answers everything")
        return Route(rung="peer", model=self.name, reason="llm.engine names a server that answers everything")

    @property
    def wait_seconds(self) -> float:
        """How long someone who came now would wait for a place."""
        return self._queue.wait_seconds

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._queue.waiting

    def outlook(self, generation: Generation, *, weak: bool = False) -> Outlook:
        """Return what answering this here would take; `weak` when nothing here tells about it."""
        status = self.model.status
        return Outlook(
            tokens=self._forecast.tokens(generation) + generation.sampling.max_tokens / 2,
            wait_seconds=self.wait_seconds + self._forecast.work(generation, status).reading,
            status=status,
            weak=weak,
        )

    @property
    def public_prompt(self) -> str:
        """What a model elsewhere is told: the persona without this device's tools."""
        return system_prompt(self._config)

    def admit(self, person: Principal) -> None:
        """Count an answer against what a person may ask for; raises RATE_LIMITED with `retry_after`."""
        wait = self._allowance.take(person.id, time.monotonic())
        if wait:
            message = f"you asked a lot lately: try again in {wait:.0f} s"
            raise BusyError("RATE_LIMITED", message, retry_after=max(1.0, round(wait, 1)))

    @asynccontextmanager
    async def place(self, person: Principal, generation: Generation, tell: Tell) -> AsyncIterator[None]:
        """Hold one of the model's places for the block, after waiting for it in the fair queue."""
        work = self._forecast.work(generation, self.model.status)
        async with self._queue.place(person.id, work, tell):
            yield

    def brought(
        self, generation_id: str, brought: Brought, thread: str | None, tokens_per_second: float
    ) -> Generation:
        """Return what to ask the model for a program that brings its own history, in its own `thread`."""
        messages, sampling, begun = brought.messages, self._sampling, ""
        if messages[-1].role == "assistant":  # an answer to go on with, as other servers take it
            begun, messages = messages[-1].content, messages[:-1]
        wishes = {
            name: wish for name, wish in msgspec.structs.asdict(brought.wishes).items() if wish is not None
        }
        if brought.functions:
            required = brought.call == "required"
            messages = with_system(messages, instructions(brought.functions, required=required))
            wishes |= {"json_schema": call_schema(brought.functions), "fence": fence(required=required)}
        return Generation(
            id=generation_id,
            messages=messages,
            sampling=msgspec.structs.replace(sampling, **wishes),
            public=False,
            conversation=thread,
            begun=begun,
            tokens_per_second=tokens_per_second,
        )

    def learn(self, generation: Generation, completion: Completion | None) -> None:
        """Take note of how an answer went, for later predictions."""
        if completion is not None:
            self._forecast.learn(generation, completion)

    async def generation(
        self,
        generation_id: str,
        session: str,
        text: str,
        tokens_per_second: float = BACKGROUND,
        passages: Sequence[Passage] = (),
    ) -> Generation:
        """Return what to ask the model for `text` in a session; raises SESSION_NOT_FOUND."""
        history = await self._conversations.history(session)
        left_out = await self._conversations.left_out(session, LEFT_OUT_READ)
        return Generation(
            id=generation_id,
            messages=build_messages(
                self._system, history, text, self.name, passages, lead=lead(left_out, self._gist_characters)
            ),
            sampling=self._sampling,
            conversation=session,
            snapshot_key=await self._conversations.snapshot_key(session),
            tokens_per_second=tokens_per_second,
        )
