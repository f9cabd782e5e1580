"""What the types can't say: misspelt keys, secrets in the file, values that don't fit each other."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from edge_assistant.config.saved import OPERATED
from edge_assistant.config.schema import BUILT_IN_PERSONAS, UNAVAILABLE, Config, Persona, Telemetry
from edge_assistant.errors import ConfigError

_SECRET = re.compile(r"(^|_)(key|password|passwd|passphrase|token|secret|credential)$")
_USER_IN_URL = re.compile(r"^[a-z]+://[^/]*@")


def check_keys(raw: dict[str, Any], source: str) -> None:
    """Refuse unknown sections and keys with the nearest known one, and keys that hold secrets."""
    for section, table in raw.items():
        _check_key(section, Config.__struct_fields__, "", source)
        if not isinstance(table, dict):
            continue  # the type check says it better
        if section == "personas":
            for name, persona in table.items():
                _check_table(persona, Persona, f"personas.{name}.", source)
        else:
            _check_table(table, type(getattr(Config(), section)), f"{section}.", source)


def check_meaning(config: Config) -> None:
    """Refuse values that are fine alone but can't work here."""
    for section in UNAVAILABLE:
        if getattr(config, section).enabled:
            raise ConfigError(
                "CONFIG_NOT_AVAILABLE", f"this version has no {section} yet: set {section}.enabled = false"
            )
    _check_persona(config)
    if config.home.enabled and not (config.mqtt.enabled and config.tools.enabled):
        raise _bad("home.enabled", "needs mqtt.enabled and tools.enabled")
    llm = config.llm
    if math.isnan(llm.temperature):
        raise _bad("llm.temperature", "expected a number from 0 to 2")
    if _USER_IN_URL.match(llm.url):
        raise ConfigError(
            "CONFIG_SECRET_IN_FILE", "llm.url must hold no user or password; " + _hint("llm_api_key")
        )
    if config.cloud.enabled and not config.cloud.url:
        raise _bad("cloud.url", "cloud.enabled needs the address of the operator's broker")
    unknown = [key for key in config.fleet.may_set if key not in {"*", *OPERATED}]
    if unknown:
        raise _bad(
            "fleet.may_set", f"an operator can't set `{unknown[0][:60]}`; docs/fleet.md lists what can be"
        )
    if config.fleet.enabled and not config.fleet.url.startswith("mqtts://"):
        raise _bad("fleet.url", "fleet.enabled needs the operator's broker, an address like mqtts://HOST")
    _check_telemetry(config.telemetry)
    if llm.engine == "openai" and not (llm.url and llm.remote_model):
        raise _bad("llm.engine", "`openai` needs llm.url and llm.remote_model")


def _check_telemetry(telemetry: Telemetry) -> None:
    if _USER_IN_URL.match(telemetry.endpoint):
        raise ConfigError(
            "CONFIG_SECRET_IN_FILE",
            "telemetry.endpoint must hold no user or password; " + _hint("telemetry_token"),
        )
    if telemetry.enabled and not telemetry.endpoint:
        raise _bad("telemetry.enabled", "needs telemetry.endpoint, where traces go")


def _check_persona(config: Config) -> None:
    known = sorted({*BUILT_IN_PERSONAS, *config.personas})
    if config.assistant.persona not in known:
        raise _bad("assistant.persona", f"no persona `{config.assistant.persona}`: use {', '.join(known)}")


def _check_table(table: Any, struct: type[msgspec.Struct], prefix: str, source: str) -> None:
    for key in table if isinstance(table, dict) else ():
        _check_key(key, struct.__struct_fields__, prefix, source)


def _check_key(key: str, known: Iterable[str], prefix: str, source: str) -> None:
    if key in known:
        return
    key = "".join(letter if letter.isprintable() else "?" for letter in key[:60])
    if _SECRET.search(key.lower()):
        name = re.sub(r"[^a-z0-9]+", "_", f"{prefix}{key}".lower()).strip("_")
        raise ConfigError(
            "CONFIG_SECRET_IN_FILE", f"{source}: `{prefix}{key}` looks like a secret; {_hint(name)}"
        )
    near = difflib.get_close_matches(key.lower(), list(known), n=1)
    help_ = f"did you mean `{prefix}{near[0]}`?" if near else f"known here: {', '.join(sorted(known))}"
    raise ConfigError("CONFIG_UNKNOWN_KEY", f"{source}: unknown key `{prefix}{key}`; {help_}")


def _hint(name: str) -> str:
    return (
        f"give it as the systemd credential {name} or as EDGE_ASSISTANT_SECRET_{name.upper()} "
        "in the environment"
    )


def _bad(key: str, what: str) -> ConfigError:
    return ConfigError("CONFIG_BAD_VALUE", f"{key}: {what}; see docs/configuration.md")
