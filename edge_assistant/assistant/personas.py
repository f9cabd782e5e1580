"""How the assistant speaks: the built-in persona and those of the configuration."""

from __future__ import annotations

from edge_assistant.config import BUILT_IN_PERSONAS, Config, Persona

LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "zh": "Chinese",
}
"""Names that small models know; other languages are asked for by their code."""


def personas(config: Config) -> dict[str, Persona]:
    """Return every persona by its id, the built-in ones first; the configuration may replace them."""
    return {**BUILT_IN_PERSONAS, **config.personas}


def system_prompt(config: Config) -> str:
    """Return what the model is told before every conversation.

    It is public, as its KV is shared between conversations: nothing about a person, and no clock,
    which would make every cached prompt useless. Short, because the smallest models obey little.
    """
    settings = config.assistant
    persona = personas(config)[settings.persona]
    lines = [f"You are {persona.name or settings.name}, a helpful assistant that runs on this device."]
    if persona.tone:
        lines.append(f"Your tone is {persona.tone}.")
    language = settings.language.split("-", maxsplit=1)[0]
    if language != "en":
        lines.append(f"Answer in {LANGUAGES.get(language, settings.language)}.")
    if persona.instructions:
        lines.append(persona.instructions.strip())
    if settings.instructions.strip():
        lines.append(settings.instructions.strip())
    return " ".join(lines)
