"""From messages to prompt tokens, through the chat template that the GGUF carries.

The template is rendered with a private marker in place of each message's text. What stands around
the markers is the model's own markup and is tokenised with control tokens; what people wrote is
tokenised without, so that `<|im_end|>` typed by somebody is text. An answer the model generated
stands with the very ids it generated.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from typing import Protocol

import jinja2
import jinja2.sandbox
import msgspec

from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Message

# ChatML, for a GGUF without a template: what most small instruction models were trained on.
FALLBACK_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MARK = re.compile("\ue000([0-9]+)\ue001")


class Tokenizer(Protocol):
    """The part of an engine that a template needs."""

    bos: int
    adds_bos: bool

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Return token ids; control tokens only with `control`."""
        ...


class Layout(msgspec.Struct, frozen=True):
    """A prompt as tokens. `public` leading tokens hold nothing about any person."""

    tokens: list[int]
    public: int
    dropped_turns: int = 0


class ChatTemplate:
    """A model's chat template, rendered in jinja's sandbox."""

    def __init__(self, source: str | None, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(source or FALLBACK_TEMPLATE)
        except jinja2.TemplateError as error:
            raise ModelError("MODEL_CORRUPT", f"the model's chat template is broken: {error}") from error

    def layout(self, messages: Sequence[Message], *, budget: int, target: int) -> Layout:
        """Return the prompt of `messages` in at most `budget` tokens.

        When they do not fit, whole old turns after the system message are left out until at most
        `target` tokens remain, so that the next turns need not drop again. Raises `ModelError`
        PROMPT_TOO_LONG when the newest turn alone does not fit.
        """
        messages = [self._read(message) for message in messages]
        whole = self._build(messages, 0)
        if len(whole.tokens) <= budget:
            return whole
        head, turns = _split_turns(messages)

        def without(dropped: int) -> Layout:
            return self._build([*head, *(m for turn in turns[dropped:] for m in turn)], dropped)

        oldest = range(1, len(turns) - 1)
        found = bisect.bisect_left(oldest, x=True, key=lambda n: len(without(n).tokens) <= target)
        layout = without(found + 1) if len(turns) > 1 else whole
        if len(layout.tokens) <= budget:
            return layout
        message = f"this message makes {len(layout.tokens)} tokens, the model can read {budget}"
        raise ModelError("PROMPT_TOO_LONG", f"{message}; shorten it or raise llm.context")

    def _read(self, message: Message) -> Message:
        """Return a message with its tokens, so that it is read once however many turns are left out."""
        if message.token_ids:
            return message
        tokens = self._tokenizer.tokenize(message.content, control=False)
        return msgspec.structs.replace(message, token_ids=tuple(tokens))

    def _build(self, messages: Sequence[Message], dropped: int) -> Layout:
        tokenizer = self._tokenizer
        tokens = [tokenizer.bos] if tokenizer.adds_bos else []
        public = len(tokens)
        private = False
        for index, markup in self._pieces(messages):
            if index is None:
                tokens += tokenizer.tokenize(markup, control=True)
            else:
                tokens += messages[index].token_ids
                private = private or messages[index].role != "system"
            public = public if private else len(tokens)
        return Layout(tokens, public, dropped)

    def _pieces(self, messages: Sequence[Message]) -> list[tuple[int | None, str]]:
        """Return markup as (None, text) and messages as (index, "") in the order of the prompt."""
        rendered = self._render(messages)
        pieces: list[tuple[int | None, str]] = []
        end = 0
        for mark in _MARK.finditer(rendered):
            pieces += [(None, rendered[end : mark.start()])] if mark.start() > end else []
            pieces.append((int(mark[1]), ""))
            end = mark.end()
        return [*pieces, (None, rendered[end:])] if end < len(rendered) else pieces

    def _render(self, messages: Sequence[Message]) -> str:
        marked = [{"role": m.role, "content": f"\ue000{i}\ue001"} for i, m in enumerate(messages)]
        try:
            return self._fill(marked)
        except jinja2.TemplateError:
            # Some templates (Gemma 2, Mistral) refuse a system message: it then leads the first turn.
            return self._merged(marked)

    def _merged(self, marked: list[dict[str, str]]) -> str:
        try:
            return self._fill(_merge_system(marked))
        except jinja2.TemplateError as error:
            message = f"this model's template refuses messages in this order ({error}): let them alternate"
            raise ModelError("MESSAGES_BAD", message) from error

    def _fill(self, marked: list[dict[str, str]]) -> str:
        # The token itself is put in front by `_build`; templates that print it would put it twice.
        return self._template.render(messages=marked, add_generation_prompt=True, bos_token="", eos_token="")


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _merge_system(marked: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(marked) < 2 or marked[0]["role"] != "system":  # noqa: PLR2004
        return marked
    first = {"role": marked[1]["role"], "content": f"{marked[0]['content']}\n\n{marked[1]['content']}"}
    return [first, *marked[2:]]


def _split_turns(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """Split into the leading system messages and turns, each begun by a user message."""
    head: list[Message] = []
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user":
            turns.append([message])
        elif turns:
            turns[-1].append(message)
        else:
            head.append(message)
    return head, turns or [[]]
