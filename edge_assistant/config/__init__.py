"""Configuration: one struct per TOML section, read once at start, never changed afterwards.

Light on purpose: every command and every child process may import it.
"""

from __future__ import annotations

from edge_assistant.config.load import find_config, load_config
from edge_assistant.config.paths import Paths, load_paths, secret
from edge_assistant.config.schema import (
    DEFAULT_PERSONA,
    AssistantSettings,
    Cloud,
    Config,
    Documents,
    Fleet,
    Guard,
    Home,
    LlmSettings,
    Memory,
    Mqtt,
    Persona,
    Section,
    Telemetry,
    VoiceSettings,
    WebSettings,
)

__all__ = [
    "DEFAULT_PERSONA",
    "AssistantSettings",
    "Cloud",
    "Config",
    "Documents",
    "Fleet",
    "Guard",
    "Home",
    "LlmSettings",
    "Memory",
    "Mqtt",
    "Paths",
    "Persona",
    "Section",
    "Telemetry",
    "VoiceSettings",
    "WebSettings",
    "find_config",
    "load_config",
    "load_paths",
    "secret",
]
