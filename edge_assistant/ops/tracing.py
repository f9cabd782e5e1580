"""Sends traces of turns to a collector: OTLP over HTTP, binary protobuf (opentelemetry.io, OTLP 1.x).

The messages are those of `opentelemetry-proto`; their SDK is left out: with it come a thread, `requests` and
9 MB, for what is a list and a POST here. Imported when `telemetry.enabled`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable

import aiohttp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from edge_assistant import __version__
from edge_assistant.ops.spans import Span, Value
from edge_assistant.workers.backoff import Backoff, RestartPolicy

logger = logging.getLogger(__name__)

MOST_SPANS = 2_000
"""Spans that wait for a collector; then the oldest are dropped."""

BATCH_SPANS = 500
GATHER_SECONDS = 2.0
"""How long spans are gathered before they are sent."""

SEND_SECONDS = 10.0
CLOSE_SECONDS = 2.0
"""How long the end of the daemon may wait for the last ones."""

AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same may be sent again (OTLP specification, "Retryable Response Codes")."""

REFUSED = 300
"""From here on an answer means that the collector will never take these."""

RETRY = RestartPolicy(first_seconds=1.0, longest_seconds=60.0, healthy_seconds=5.0)

_KINDS = {
    "server": trace_pb2.Span.SPAN_KIND_SERVER,
    "internal": trace_pb2.Span.SPAN_KIND_INTERNAL,
}


class Exporter:
    """Holds spans until a collector has them; `run` it as a task."""

    def __init__(
        self,
        endpoint: str,
        *,
        token: str | None = None,
        device: str = "",
        retry: RestartPolicy = RETRY,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._headers = {"Content-Type": "application/x-protobuf"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._device = device
        self._retry = retry
        self._gather_seconds = gather_seconds
        self._spans: deque[Span] = deque(maxlen=MOST_SPANS)
        self._some = asyncio.Event()
        self._complained = False

    def add(self, spans: Iterable[Span]) -> None:
        """Take spans to send; returns at once."""
        self._spans.extend(spans)
        self._some.set()

    async def run(self) -> None:
        """Send what there is, until cancelled; then once more for a moment."""
        backoff = Backoff(self._retry)
        timeout = aiohttp.ClientTimeout(total=SEND_SECONDS)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            try:
                while True:
                    await self._some.wait()
                    await asyncio.sleep(self._gather_seconds)
                    if not await self._send(session):
                        await asyncio.sleep(backoff.after(0.0))
                        self._some.set()
                    else:
                        backoff = Backoff(self._retry)
            except asyncio.CancelledError:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._send(session)
                raise

    async def _send(self, session: aiohttp.ClientSession) -> bool:
        """Send everything; False when it shall be tried again later."""
        self._some.clear()
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(BATCH_SPANS, len(self._spans)))]
            body = request_of(batch, self._device).SerializeToString()
            try:
                async with session.post(self._url, data=body, allow_redirects=False) as response:
                    status = response.status
            except (aiohttp.ClientError, OSError) as error:  # a timeout is one
                self._complain(type(error).__name__)
                status = 503
            if status in AGAIN:
                self._complain(f"HTTP {status}")
                self._put_back(batch)
                return False
            if status >= REFUSED:
                self._complain(f"HTTP {status}")
            else:
                self._complained = False
        return True

    def _put_back(self, batch: list[Span]) -> None:
        """Keep a batch for later, as far as there is still room; newer ones come first."""
        room = MOST_SPANS - len(self._spans)
        self._spans.extendleft(reversed(batch[max(len(batch) - room, 0) :]))

    def _complain(self, why: str) -> None:
        """Say once that the collector takes nothing."""
        if not self._complained:
            self._complained = True
            logger.warning("traces can't be sent: %s", why)


def request_of(spans: Iterable[Span], device: str = "") -> ExportTraceServiceRequest:
    """Return the message that tells a collector about spans."""
    resource: dict[str, Value] = {"service.name": "edge-assistant", "service.version": __version__}
    if device:
        resource["service.instance.id"] = device
    request = ExportTraceServiceRequest()
    whole = request.resource_spans.add()
    whole.resource.attributes.extend(_attributes(resource))
    part = whole.scope_spans.add()
    part.scope.name = "edge_assistant"
    part.spans.extend(_message(span) for span in spans)
    return request


def _message(span: Span) -> trace_pb2.Span:
    message = trace_pb2.Span(
        trace_id=span.trace, span_id=span.id, parent_span_id=span.parent, name=span.name,
        kind=_KINDS[span.kind], start_time_unix_nano=span.began_ns, end_time_unix_nano=span.ended_ns,
        attributes=_attributes(span.attributes),
    )  # fmt: skip
    if span.error:
        message.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        message.attributes.extend(_attributes({"error.type": span.error}))
    if span.first_token_ns:
        message.events.add(time_unix_nano=span.first_token_ns, name="first token")
    return message


def _attributes(values: dict[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: Value) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case _:
            return AnyValue(double_value=value)
