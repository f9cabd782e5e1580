"""Configuration: one struct per TOML section, read once at start, never changed afterwards.

Light on purpose: every command and every child process may import it.
"""

from __future__ import annotations

from edge_assistant.config.load import changed_config, find_config, load_config, locked_keys
from edge_assistant.config.paths import Paths, load_paths, secret
from edge_assistant.config.saved import CHOICES, OPERATED, Saved, read_saved
from edge_assistant.config.schema import (
    BUILT_IN_PERSONAS,
    DEFAULT_PERSONA,
    AssistantSettings,
    BackupSettings,
    CareSettings,
    Config,
    Documents,
    Fleet,
    Guard,
    Home,
    LlmSettings,
    Memory,
    MqttSettings,
    Persona,
    Section,
    Telemetry,
    VoiceSettings,
    WebSettings,
)

__all__ = [
    "BUILT_IN_PERSONAS",
    "CHOICES",
    "DEFAULT_PERSONA",
    "OPERATED",
    "AssistantSettings",
    "BackupSettings",
    "CareSettings",
    "Config",
    "Documents",
    "Fleet",
    "Guard",
    "Home",
    "LlmSettings",
    "Memory",
    "MqttSettings",
    "Paths",
    "Persona",
    "Saved",
    "Section",
    "Telemetry",
    "VoiceSettings",
    "WebSettings",
    "changed_config",
    "find_config",
    "load_config",
    "load_paths",
    "locked_keys",
    "read_saved",
    "secret",
]
