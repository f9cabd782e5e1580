"""What programs send to the OpenAI-compatible API, and the request that it becomes.

Fields that are not read here are accepted and change nothing, as clients send more every year; what
would change the answer in a way that this device can't do is refused.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import msgspec

from edge_assistant.assistant.events import FunctionCall
from edge_assistant.assistant.function import RESULT, call_text
from edge_assistant.assistant.request import Brought, Function, Principal, Request, Wishes
from edge_assistant.errors import UsageError
from edge_assistant.llm.protocol import Message

MAX_MESSAGES = 1024

FunctionName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Stop = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=1_048_576)]


class Part(msgspec.Struct):
    """A part of a message's content."""

    type: str
    text: str = ""


class CalledFunction(msgspec.Struct):
    """Name and arguments of an earlier call."""

    name: FunctionName
    arguments: str = "{}"


class ToolCall(msgspec.Struct):
    """An earlier call of the model's."""

    id: str
    function: CalledFunction


class ChatMessage(msgspec.Struct):
    """One message of the program's conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None


class ToolFunction(msgspec.Struct):
    """A function that the program offers."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct):
    """A tool; only functions are known."""

    type: str
    function: ToolFunction | None = None


class NamedFunction(msgspec.Struct):
    """The one function that must be called."""

    name: str


class ToolChoice(msgspec.Struct):
    """That a certain function must be called."""

    function: NamedFunction


class JsonSchema(msgspec.Struct):
    """The form of the answer."""

    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct):
    """`text`, `json_object` or `json_schema`."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """What a stream tells besides the answer."""

    include_usage: bool | None = None


class ChatBody(msgspec.Struct):
    """The body of `POST /v1/chat/completions`."""

    model: Annotated[str, msgspec.Meta(max_length=4096)]
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop | Annotated[list[Stop], msgspec.Meta(max_length=4)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: int | None = None
    logprobs: bool | None = None
    logit_bias: dict[str, float] | None = None
    tools: Annotated[list[Tool], msgspec.Meta(max_length=128)] | None = None
    tool_choice: str | ToolChoice | None = None
    response_format: ResponseFormat | None = None


def to_request(body: ChatBody, principal: Principal) -> Request:
    """Return what the assistant is asked; raises `UsageError` API_UNSUPPORTED, WEB_BAD_FIELD."""
    _refuse_unsupported(body)
    messages = _messages(body.messages)
    functions, call = _functions(body)
    wishes = Wishes(
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()) or None,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        json_schema=_schema(body.response_format),
    )
    identity = f"chatcmpl-{uuid.uuid4().hex}"
    return Request(
        id=identity,
        text=messages[-1].content,
        session=identity,
        principal=principal,
        source="api",
        brought=Brought(
            messages=messages, wishes=wishes, functions=functions, call="required" if call else "auto"
        ),
    )


def _refuse_unsupported(body: ChatBody) -> None:
    asked = {
        "n": body.n not in {None, 1},
        "logprobs": bool(body.logprobs),
        "logit_bias": bool(body.logit_bias),
        "response_format": bool(body.tools)
        and body.response_format is not None
        and body.response_format.type != "text",
    }
    for name, unsupported in asked.items():
        if unsupported:
            raise UsageError("API_UNSUPPORTED", f"`{name}` can't be used so here: leave it out")


def _messages(messages: list[ChatMessage]) -> tuple[Message, ...]:
    """Return the conversation as the model's template takes it: one system message, then taking turns."""
    result: list[Message] = []
    for index, message in enumerate(messages):
        role, text = _said(message, index)
        if role == "system" and any(each.role != "system" for each in result):
            role = "user"  # templates know one at the beginning only
        if result and result[-1].role == role:
            result[-1] = Message(result[-1].role, f"{result[-1].content}\n\n{text}")
        else:
            result.append(Message(role, text))  # type: ignore[arg-type]
    if result[-1].role == "system":
        raise UsageError("WEB_BAD_FIELD", "there is nothing to answer: the last message is the user's")
    return tuple(result)


def _said(message: ChatMessage, index: int) -> tuple[str, str]:
    text = _text(message.content, index)
    match message.role:
        case "system" | "developer":
            return "system", text
        case "user":
            return "user", text
        case "assistant":
            calls = [
                FunctionCall(id=each.id, name=each.function.name, arguments=each.function.arguments)
                for each in message.tool_calls or ()
            ]
            return "assistant", "\n".join(part for part in (text, call_text(calls)) if part)
        case "tool" | "function":
            return "user", RESULT.format(text)
        case _:
            raise UsageError("WEB_BAD_FIELD", f"unknown role - at `$.messages[{index}].role`")


def _text(content: str | list[Part] | None, index: int) -> str:
    if isinstance(content, list):
        if any(part.type not in {"text", "refusal"} for part in content):
            raise UsageError(
                "API_UNSUPPORTED", f"this model reads text only - at `$.messages[{index}].content`"
            )
        content = "".join(part.text for part in content)
    return (content or "").replace("\0", "")


def _functions(body: ChatBody) -> tuple[tuple[Function, ...], bool]:
    """Return the functions that may be called, and whether one must be."""
    functions = tuple(_function(tool) for tool in body.tools or ())
    choice = body.tool_choice
    if isinstance(choice, ToolChoice):
        chosen = tuple(each for each in functions if each.name == choice.function.name)
        if not chosen:
            raise UsageError("WEB_BAD_FIELD", "no tool has this name - at `$.tool_choice`")
        return chosen, True
    if choice not in {None, "auto", "none", "required"}:
        raise UsageError("WEB_BAD_FIELD", "expected none, auto or required - at `$.tool_choice`")
    if choice == "required" and not functions:
        raise UsageError("WEB_BAD_FIELD", "there is no tool to choose - at `$.tool_choice`")
    return (() if choice == "none" else functions), choice == "required"


def _function(tool: Tool) -> Function:
    if tool.type != "function" or tool.function is None:
        raise UsageError("API_UNSUPPORTED", "only functions can be called - at `$.tools`")
    given = tool.function
    parameters = given.parameters or {"type": "object", "properties": {}}
    return Function(name=given.name, description=given.description or "", parameters=parameters)


def _schema(wanted: ResponseFormat | None) -> str | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return '{"type": "object"}'
    if wanted.type != "json_schema" or wanted.json_schema is None or wanted.json_schema.schema is None:
        raise UsageError("WEB_BAD_FIELD", "give the schema - at `$.response_format`")
    return msgspec.json.encode(wanted.json_schema.schema).decode()
