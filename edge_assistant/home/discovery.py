"""Reads the messages by which devices announce themselves. Pure: topic and payload in, components out.

Two forms, as Home Assistant documents them: one message for each component
(`PREFIX/light/[NODE/]OBJECT/config`), and one for a whole device (`PREFIX/device/OBJECT/config`).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.home.abbreviation import expanded
from edge_assistant.home.entity import DOMAINS

LONGEST_PAYLOAD = 128 * 1024
MOST_COMPONENTS = 200
"""In one device message."""

LONGEST_NAME = 100
LONGEST_TOPIC = 1024
_TOPIC = re.compile(r"(?P<kind>[a-z_]+)/(?:[\w-]+/)?(?P<object>[\w-]+)/config", re.ASCII)


class DiscoveryError(EdgeError):
    """An announcement that can't be used; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__("DISCOVERY_BAD", message)


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One component of an announcement, its keys whole."""

    key: str
    domain: str
    object_id: str
    name: str
    """What it is called within its device; empty when it is the device itself."""
    device: str
    area: str
    config: dict[str, Any]
    also: tuple[str, ...] = ()
    """Other names that it has."""
    poll: tuple[str, str] = ("", "")
    """Topic and message that make it tell its state; empty when it is retained."""


def parse(prefix: str, topic: str, payload: bytes) -> list[Component]:
    """Return what a discovery message announces: nothing when it is withdrawn; raises `DiscoveryError`.

    Components of a kind that is not understood are left out.
    """
    match = _TOPIC.fullmatch(topic.removeprefix(f"{prefix}/"))
    if match is None:
        raise DiscoveryError("no topic of a discovery message")
    if not payload.strip():
        return []
    if len(payload) > LONGEST_PAYLOAD:
        raise DiscoveryError(f"an announcement of {len(payload)} bytes")
    document = _document(payload)
    if match["kind"] == "device":
        return _of_device(topic, match["object"], document)
    component = _component(topic, match["kind"], match["object"], expanded(document))
    return [component] if component else []


def _document(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError):
        raise DiscoveryError("no JSON object") from None


def _of_device(topic: str, object_id: str, document: dict[str, Any]) -> list[Component]:
    base = {"~": document["~"]} if "~" in document else {}
    document = expanded(document)
    components = document.pop("components", None)
    if not isinstance(components, dict) or len(components) > MOST_COMPONENTS:
        raise DiscoveryError("a device without components, or with too many")
    found = []
    for name, part in components.items():
        if not isinstance(part, dict):
            continue
        own = expanded({**base, **part})
        kind = own.get("platform")
        if isinstance(kind, str) and len(part) > 1:  # one that names its kind alone was removed
            component = _component(
                f"{topic}#{name[:LONGEST_NAME]}", kind, f"{object_id}_{name}", {**document, **own}
            )
            found += [component] if component else []
    return found


def _component(key: str, kind: str, object_id: str, config: dict[str, Any]) -> Component | None:
    if kind not in DOMAINS or config.get("enabled_by_default") is False:
        return None
    device = config.get("device")
    device = device if isinstance(device, dict) else {}
    for name, value in config.items():
        if name.endswith(("topic", "template")) and value is not None and not isinstance(value, str):
            raise DiscoveryError(f"{name[:40]} is no text")
        if name.endswith("topic") and value and not is_topic(value):
            raise DiscoveryError(f"{name[:40]} is no topic")
    return Component(
        key=key,
        domain=kind,
        object_id=_id(config, kind) or object_id,
        name=text(config.get("name")),
        device=text(device.get("name")) or text(device.get("model")),
        area=text(device.get("suggested_area")),
        config={name: value for name, value in config.items() if name not in {"device", "origin", "name"}},
    )


def is_topic(topic: str) -> bool:
    """Return whether something can be published on a topic."""
    return len(topic) <= LONGEST_TOPIC and not re.search(r"[+#\x00-\x1f]", topic)


def _id(config: dict[str, Any], kind: str) -> str:
    wanted = config.get("default_entity_id") or config.get("object_id") or ""
    return wanted.removeprefix(f"{kind}.")[:LONGEST_NAME] if isinstance(wanted, str) else ""


def text(value: Any) -> str:
    """Return one line of text; anything else is no name."""
    return (
        " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", value).split())[:LONGEST_NAME]
        if isinstance(value, str)
        else ""
    )
