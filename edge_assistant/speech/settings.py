"""What the configuration means for the speech worker."""

from __future__ import annotations

from pathlib import Path

from edge_assistant.config import Config, secret
from edge_assistant.speech.wire import SpeechSettings


def speech_settings(config: Config, models: Path) -> SpeechSettings:
    """Return the settings of a worker; raises `ConfigError` SECRET_UNREADABLE."""
    voice = config.voice
    return SpeechSettings(
        models=str(models),
        input=voice.input,
        output=voice.output,
        wake_words=(voice.wake_word,) if voice.wake_word else (),
        wake_threshold=voice.wake_threshold,
        stop_words=voice.stop_words,
        transcribers=voice.stt,
        transcriber_model=voice.stt_model,
        vosk_model=voice.vosk_model,
        synthesizers=voice.tts,
        voice=voice.voice,
        speed=voice.speed,
        volume=voice.volume,
        noise_suppression=voice.noise_suppression,
        language=config.assistant.language,
        remote_url=voice.remote_url,
        remote_model=voice.remote_model,
        remote_key=secret("voice_api_key") or "",
        earcons=voice.earcons,
    )
