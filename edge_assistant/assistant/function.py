"""Functions of programs, in words that a model reads and writes.

The form is that of Hermes, which the chat templates of Qwen and many small models were trained on:
signatures in `<tools>`, calls in `<tool_call>`, results in `<tool_response>`. A model that was never
trained on functions can still be made to call one, because the call is bound to its JSON schema.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from edge_assistant.assistant.events import FunctionCall
from edge_assistant.assistant.request import Function
from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import Fence

_DEFINITIONS = ("$defs", "definitions")
"""Where JSON schemas keep what they refer to, in the newer and the older drafts."""

OPENING, CLOSING = "<tool_call>", "</tool_call>"
RESULT = "<tool_response>\n{}\n</tool_response>"


def instructions(functions: Sequence[Function], *, required: bool) -> str:
    """Return what the model is told about the functions it may call."""
    signatures = "\n".join(
        _json({"type": "function", "function": msgspec.to_builtins(function)}) for function in functions
    )
    use = "Answer with a function call." if required else "Call a function when it helps to answer."
    form = '{"name": <function-name>, "arguments": <args-json-object>}'
    return (
        f"# Tools\n\nThese are the functions that you can call:\n<tools>\n{signatures}\n</tools>\n\n"
        f"{use} To call one, write a JSON object with its name and arguments:\n{OPENING}\n{form}\n{CLOSING}"
    )


def fence(*, required: bool) -> Fence:
    """Return where in an answer a call stands."""
    return Fence(OPENING, CLOSING, required)


def call_schema(functions: Sequence[Function]) -> str:
    """Return the JSON schema of a call of any of the functions; raises `ModelError` SCHEMA_BAD."""
    definitions: dict[str, Any] = {}
    calls = [_one_call(function, f"f{n}_", definitions) for n, function in enumerate(functions)]
    schema: dict[str, Any] = {"anyOf": calls} if len(calls) > 1 else calls[0]
    return _json({**schema, "$defs": definitions} if definitions else schema)


def call_text(calls: Sequence[FunctionCall]) -> str:
    """Return earlier calls as the model wrote them."""
    return "\n".join(
        f'{OPENING}\n{{"name": {_json(call.name)}, "arguments": {call.arguments}}}\n{CLOSING}'
        for call in calls
    )


class CallReader:
    """Parts an answer, as it comes, into text to show and calls to make."""

    def __init__(self, functions: Sequence[Function], *, required: bool) -> None:
        self._names = {function.name for function in functions}
        self._required = required
        self._held = ""
        """What is not shown yet: perhaps a mark's beginning, or a call."""
        self._calling = required

    def feed(self, text: str) -> str:
        """Take a piece of the answer and return what of it can be shown now."""
        self._held += text
        if self._calling:
            return ""
        shown, opening, rest = self._held.partition(OPENING)
        if opening:
            self._calling = True
            self._held = opening + rest
            return shown
        keep = _overlap(shown)
        self._held = shown[len(shown) - keep :]
        return shown[: len(shown) - keep]

    def finish(self) -> tuple[str, tuple[FunctionCall, ...]]:
        """Return the rest of the text and the calls, when the answer is complete.

        What looked like a call and is none is text after all.
        """
        held, self._held = self._held, ""
        calls = self._calls(held) if self._calling else ()
        return ("", calls) if calls else (held, ())

    def _calls(self, held: str) -> tuple[FunctionCall, ...]:
        parts = held.split(OPENING)[1:] or ([held] if self._required else [])
        found = [self._call(part.partition(CLOSING)[0]) for part in parts]
        return tuple(call for call in found if call is not None)

    def _call(self, text: str) -> FunctionCall | None:
        try:
            call = msgspec.json.decode(text, type=_Call)
        except (msgspec.MsgspecError, RecursionError):
            return None
        if call.name not in self._names:
            return None
        return FunctionCall(
            id=f"call_{secrets.token_hex(12)}", name=call.name, arguments=_json(call.arguments)
        )


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any] = {}


def _one_call(function: Function, prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one function's call; what it defines moves to the top, where `$ref` looks."""
    text = json.dumps(function.parameters)
    for keyword in _DEFINITIONS:
        text = text.replace(f'"#/{keyword}/', f'"#/$defs/{prefix}')
    parameters = json.loads(text)
    for keyword in _DEFINITIONS:
        defined = parameters.pop(keyword, {})
        if not isinstance(defined, dict):
            raise ModelError("SCHEMA_BAD", f"`{keyword}` of the function {function.name} is no object")
        definitions |= {prefix + name: definition for name, definition in defined.items()}
    return {
        "type": "object",
        "properties": {"name": {"const": function.name}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _overlap(text: str) -> int:
    """Return the length of the longest end of `text` that begins the opening mark."""
    longest = min(len(text), len(OPENING) - 1)
    return next((n for n in range(longest, 0, -1) if OPENING.startswith(text[-n:])), 0)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
