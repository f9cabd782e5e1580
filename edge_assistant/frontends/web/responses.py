"""JSON bodies in and out, and the one shape of every error: `{"error": {"code", "message"}}`."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from edge_assistant.errors import BusyError, EdgeError, ForbiddenError, StoreError, ThrottledError, UsageError
from edge_assistant.frontends.web.openai_api_reply import error_body

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")

MAX_BODY_BYTES = 512 * 1024

REFUSAL_SECONDS = 0.5
"""How long a refusal for overload is held back. Clients that ask again at once, whatever they are told, then
leave the model some of the processor: without it 400 of them brought all answers of two cores to a halt."""

BODY_SECONDS = 30.0
"""What a whole body of that size may take: 17 KB/s."""

STATUSES = {
    "MODEL_UNKNOWN": 404,
    "MODEL_MISSING": 409,
    "MODEL_CORRUPT": 409,
    "MODEL_TOO_LARGE": 409,
    "METHOD_NOT_ALLOWED": 405,
    "RATE_LIMITED": 429,
    "PROMPT_TOO_LONG": 400,
    "SCHEMA_BAD": 400,
    "MESSAGES_BAD": 400,
    "EMBEDDER_MISSING": 404,
    "WEB_TOO_LARGE": 413,
    "WEB_TOO_SLOW": 408,
    "WEB_NOT_JSON": 415,
    "STORE_FULL": 507,
    "DOCUMENT_TOO_LARGE": 413,
    "DOCUMENTS_FULL": 409,
}


KINDS = (
    (ForbiddenError, 403),
    (ThrottledError, 429),
    (UsageError, 400),
    (BusyError, 503),
    (StoreError, 503),
)


def json_response(body: Any, status: int = 200) -> web.Response:
    """Return `body`, any struct or plain value, as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def error_response(error: EdgeError, path: str = "") -> web.Response:
    """Return the response that tells a client about `error`; below `/v1` in OpenAI's shape."""
    status = status_of(error)
    if path.startswith("/v1/"):
        body = error_body(error, status)
    else:
        detail: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.retry_after is not None:
            detail["retry_after"] = error.retry_after
        body = {"error": detail}
    response = json_response(body, status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


def status_of(error: EdgeError) -> int:
    """Return the HTTP status for an error."""
    if error.code in STATUSES:
        return STATUSES[error.code]
    if error.code.endswith("NOT_FOUND"):
        return 404
    whatever = 500 if error.retry_after is None else 503
    return next((status for kind, status in KINDS if isinstance(error, kind)), whatever)


def unexpected(error: Exception, where: str) -> EdgeError:
    """Log a defect by its type and place, never its text, which may quote people; return what clients see."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    logger.error("%s failed: %s at %s", where, type(error).__name__, place)
    return EdgeError("INTERNAL", "something went wrong inside the assistant: its log names the place")


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure of a request into the one shape of errors."""
    try:
        return await handler(request)
    except EdgeError as error:
        if error.retry_after is not None:
            await asyncio.sleep(REFUSAL_SECONDS)
        return error_response(error, request.path)
    except web.HTTPException as error:
        return _reshape(error, request.path)
    except ConnectionError:
        raise  # the client is gone, nobody reads an answer
    except Exception as error:  # noqa: BLE001 - the edge: a defect must not show its text
        return error_response(unexpected(error, f"{request.method} {route_of(request)}"), request.path)


def route_of(request: web.Request) -> str:
    """Return the pattern of the route that matched, such as `/api/sessions/{id}`, or empty."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _reshape(error: web.HTTPException, path: str) -> web.Response:
    known = {
        404: EdgeError("NOT_FOUND", "there is nothing at this address"),
        405: EdgeError("METHOD_NOT_ALLOWED", "this address does not take that method"),
        413: EdgeError("WEB_TOO_LARGE", f"a request has at most {MAX_BODY_BYTES // 1024} KB"),
    }
    shown = known.get(error.status, UsageError("WEB_BAD_REQUEST", "the request can't be understood"))
    response = error_response(shown, path)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Decode the body as `kind`; raises `UsageError` that says what is wrong with it."""
    if request.content_type != "application/json":
        raise UsageError("WEB_NOT_JSON", "send the body as `Content-Type: application/json`")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UsageError("WEB_NOT_JSON", "send the body uncompressed")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise EdgeError("WEB_TOO_SLOW", "the request came too slowly: send it again") from None
    try:
        body.decode()  # msgspec skips the values of unknown keys without looking at their bytes
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UsageError("WEB_BAD_FIELD", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UsageError("WEB_BAD_JSON", "the body is not one JSON object in UTF-8") from None
