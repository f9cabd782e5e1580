"""Ears and mouth; disabled they are not even imported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config, Paths
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.wiring.care import Relief

if TYPE_CHECKING:
    from edge_assistant.frontends.voice.phase import VoiceStatus
    from edge_assistant.frontends.voice.voice import Voice
    from edge_assistant.tools.abilities import Abilities

logger = logging.getLogger(__name__)

UNAVAILABLE = "VOICE_UNAVAILABLE"
"""Code of the notice."""


async def start_voice(
    stack: AsyncExitStack,
    preferences: Preferences,
    paths: Paths,
    assistant: Assistant,
    abilities: Abilities | None,
    *,
    relief: Relief,
    notices: Notices,
) -> Voice | None:
    """Begin to start ears and mouth; what keeps them from working is told by their status.

    None where their libraries were not installed: a notice says so, and everything else works.
    """
    try:
        from edge_assistant.frontends.voice import panel
        from edge_assistant.frontends.voice.voice import Voice
        from edge_assistant.speech.client import SpeechClient
        from edge_assistant.speech.settings import speech_settings
    except ModuleNotFoundError as error:
        words = f"it can't hear or speak without the library {error.name}: install the extra `voice`"
        notices.show(UNAVAILABLE, words)
        logger.error("%s", words)  # noqa: TRY400 - the line says all
        return None

    config = preferences.config
    relief.speech = speech = SpeechClient(speech_settings(config, paths.models))
    stack.push_async_callback(speech.stop)
    voice = Voice(config.voice, assistant, speech, language=config.assistant.language)
    stack.push_async_callback(voice.stop)
    voice.subscribe(_teller())
    await voice.start()
    await speech.start()
    if panel.wanted(config.voice):
        light = panel.Panel(config.voice, voice)
        stack.callback(light.stop)
        light.start()
    _connect(stack, voice, abilities, preferences)
    return voice


def _teller() -> Callable[[VoiceStatus], None]:
    """Return what says in the log that ears and mouth fail, and when they are back."""
    told = ""

    def tell(status: VoiceStatus) -> None:
        nonlocal told
        if status.detail == told:
            return
        told = status.detail
        if told:
            logger.warning("ears and mouth don't work: %s", told)
        else:
            logger.info("ears and mouth work again")

    return tell


def _connect(
    stack: AsyncExitStack, voice: Voice, abilities: Abilities | None, preferences: Preferences
) -> None:
    """Let the voice follow what is chosen while it runs, and ring timers."""

    async def carry_out(_: Config, new: Config) -> None:
        voice.configure(new.voice)

    preferences.on_change(carry_out)
    if abilities is not None:
        from edge_assistant.wiring.abilities import ring_aloud

        ring_aloud(stack, voice, abilities.timers, preferences.config.assistant.language)
