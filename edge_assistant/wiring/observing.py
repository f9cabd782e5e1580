"""How the device is seen from outside: figures for whoever asks, traces for whoever wants them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.turn import Turn
from edge_assistant.config import Paths, secret
from edge_assistant.ops.metrics import Metrics
from edge_assistant.ops.services import Services
from edge_assistant.wiring.metrics import Parts, model_name, start_metrics
from edge_assistant.wiring.tasks import begin

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice


def start_observing(
    stack: AsyncExitStack, assistant: Assistant, services: Services, paths: Paths, parts: Parts
) -> Metrics:
    """Begin to count, and to send traces when `telemetry.enabled`; return what writes the figures down."""
    if services.preferences.config.telemetry.enabled:
        _start_tracing(stack, assistant, services, parts.voice)
    return start_metrics(assistant, services, paths, parts)


def _start_tracing(
    stack: AsyncExitStack, assistant: Assistant, services: Services, voice: Voice | None
) -> None:
    from edge_assistant.ops.spans import Clock, spans_of, voice_spans
    from edge_assistant.ops.tracing import Exporter

    settings = services.preferences.config.telemetry
    exporter = Exporter(settings.endpoint, token=secret("telemetry_token"), device=settings.device)
    begin(stack, exporter.run(), "traces")

    def ended(turn: Turn) -> None:
        if turn.finished and not turn.rebuilt:
            exporter.add(spans_of(turn, model_name(services.preferences.config), Clock()))

    def sounded(turn_id: str, timings: msgspec.Struct) -> None:
        exporter.add(voice_spans(turn_id, timings, Clock()))

    assistant.watch_turns(ended)
    if voice is not None:
        voice.when_answered(sounded)
