"""Ears and mouth; disabled they are not even imported."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config, Paths
from edge_assistant.ops.preferences import Preferences
from edge_assistant.wiring.care import Relief

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.tools.abilities import Abilities


async def start_voice(
    stack: AsyncExitStack, config: Config, paths: Paths, assistant: Assistant, relief: Relief
) -> Voice:
    """Begin to start ears and mouth; what keeps them from working is told by their status."""
    from edge_assistant.frontends.voice import panel
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.speech.client import SpeechClient
    from edge_assistant.speech.settings import speech_settings

    relief.speech = speech = SpeechClient(speech_settings(config, paths.models))
    stack.push_async_callback(speech.stop)
    voice = Voice(config.voice, assistant, speech, language=config.assistant.language)
    stack.push_async_callback(voice.stop)
    await voice.start()
    await speech.start()
    if panel.wanted(config.voice):
        light = panel.Panel(config.voice, voice)
        stack.callback(light.stop)
        light.start()
    return voice


def connect_voice(
    stack: AsyncExitStack, voice: Voice, abilities: Abilities | None, preferences: Preferences
) -> None:
    """Let the voice follow what is chosen while it runs, and ring timers."""

    async def carry_out(_: Config, new: Config) -> None:
        voice.configure(new.voice)

    preferences.on_change(carry_out)
    if abilities is not None:
        from edge_assistant.wiring.abilities import ring_aloud

        ring_aloud(stack, voice, abilities.timers, preferences.config.assistant.language)
