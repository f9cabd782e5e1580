"""How long an answer will take, from the tokens that must be read anew and the speeds measured so far.

Pure arithmetic. The daemon has no tokenizer, so tokens are estimated from characters by a ratio that
every finished answer corrects.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from edge_assistant.llm.protocol import Completion, Generation, ModelStatus

_LEARNING_RATE = 0.2
_MESSAGE_TOKENS = 5
"""Markup around one message: ChatML has five tokens, others differ little."""

_CONVERSATIONS = 16
"""Conversations whose KV the model holds at most, see `llm.worker`."""


class Work(msgspec.Struct, frozen=True):
    """What one answer costs, in seconds: reading until the first word, and all of it."""

    reading: float = 0.0
    total: float = 0.0


class Forecast:
    """Predicts from what was seen; the first guesses are those of a Raspberry Pi 5."""

    def __init__(self) -> None:
        self._characters_per_token = 4.0
        self._answer_tokens = 80.0
        self._answer_seconds = 8.0
        """What an answer takes once it is its turn; for models that tell no speeds."""
        self._held: OrderedDict[str, int] = OrderedDict()
        """Tokens of each conversation that the model probably still holds, newest used last."""

    def work(self, generation: Generation, status: ModelStatus) -> Work:
        """Return what `generation` will cost a model that has the speeds of `status`."""
        if not (status.prefill_tokens_per_second and status.decode_tokens_per_second):
            return Work(0.0, self._answer_seconds)
        answer = min(self._answer_tokens, generation.sampling.max_tokens)
        reading = self.uncached(generation) / status.prefill_tokens_per_second
        return Work(reading, reading + answer / status.decode_tokens_per_second)

    def uncached(self, generation: Generation) -> float:
        """Return how many tokens of the prompt the model will have to read."""
        held = self._held.get(generation.conversation or "", 0)
        return max(self.tokens(generation) - held, float(_MESSAGE_TOKENS))

    def learn(self, generation: Generation, completion: Completion) -> None:
        """Take note of how an answer went."""
        characters = sum(len(message.content) for message in generation.messages)
        tokens = completion.prompt_tokens - _MESSAGE_TOKENS * len(generation.messages)
        if tokens > 0 and characters and not completion.dropped_turns:
            self._characters_per_token = _average(self._characters_per_token, characters / tokens)
        if completion.reason != "cancelled":
            self._answer_tokens = _average(self._answer_tokens, completion.completion_tokens)
            seconds = (completion.total_ms - completion.queue_ms) / 1000
            self._answer_seconds = _average(self._answer_seconds, max(seconds, 0.0))
        self._remember(generation.conversation, completion)

    def _remember(self, conversation: str | None, completion: Completion) -> None:
        if conversation is None:
            return
        self._held[conversation] = completion.prompt_tokens + completion.completion_tokens
        self._held.move_to_end(conversation)
        if len(self._held) > _CONVERSATIONS:
            self._held.popitem(last=False)

    def tokens(self, generation: Generation) -> float:
        """Return how many tokens the whole prompt has, about."""
        return sum(
            _MESSAGE_TOKENS + (len(message.token_ids) or len(message.content) / self._characters_per_token)
            for message in generation.messages
        )


def _average(old: float, new: float) -> float:
    return old + _LEARNING_RATE * (new - old)
