"""The rung of the answer ladder that a language model stands on: from a question to a generation."""

from __future__ import annotations

from collections.abc import Sequence

from edge_assistant.assistant.events import Route
from edge_assistant.assistant.ladder import Passage
from edge_assistant.assistant.personas import system_prompt
from edge_assistant.assistant.prompt import build_messages
from edge_assistant.config import Config
from edge_assistant.llm.protocol import Generation, LanguageModel, Sampling
from edge_assistant.memory.conversations import Conversations

BACKGROUND = 0.0
"""A pace that yields to every answer."""


class ModelRung:
    """A language model with the system prompt and sampling that every answer here uses."""

    def __init__(self, config: Config, conversations: Conversations, model: LanguageModel) -> None:
        self.model = model
        self._conversations = conversations
        self._system = system_prompt(config)
        self._local = config.llm.engine == "llama"
        self._sampling = Sampling(
            # Half of the context stays for what is asked, however small the context is.
            max_tokens=min(config.llm.max_tokens, config.llm.context // 2),
            temperature=config.llm.temperature,
        )

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
        return Generation(
            id=generation_id,
            messages=build_messages(self._system, history, text, self.name, passages),
            sampling=self._sampling,
            conversation=session,
            snapshot_key=await self._conversations.snapshot_key(session),
            tokens_per_second=tokens_per_second,
        )
