"""Tells devices what to do. Whether that may be done is judged above (`tools/actions.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from edge_assistant.errors import EdgeError, UsageError
from edge_assistant.home.entity import Entity, State
from edge_assistant.home.orders import Order, orders
from edge_assistant.home.registry import Registry, optimistic
from edge_assistant.home.template import Templates
from edge_assistant.mqtt.connection import Outgoing

EXPIRY_SECONDS = 10
"""A broker hands on no older order: nobody wants a light to go on minutes later."""


class Publisher(Protocol):
    """What carries messages."""

    async def publish(self, message: Outgoing) -> None:
        """Send; raises MQTT_OFFLINE."""
        ...


class Done(msgspec.Struct, frozen=True):
    """What was told to one entity, and how it was before."""

    entity: Entity
    before: State


class Control:
    """The way from a service to the broker."""

    def __init__(self, registry: Registry, publisher: Publisher, templates: Templates) -> None:
        self._registry = registry
        self._publisher = publisher
        self._templates = templates

    def prepare(self, entity_id: str, service: str, data: Mapping[str, Any]) -> tuple[Entity, list[Order]]:
        """Return what would be sent; raises HOME_UNKNOWN and as `orders`."""
        entity = self._registry.entity(entity_id)
        if entity is None:
            raise UsageError("HOME_UNKNOWN", f"there is no {entity_id[:60]!r} in this house")
        state = self._registry.state(entity_id)
        return entity, orders(entity, state, service, dict(data), self._templates)

    async def act(self, entity_id: str, service: str, data: Mapping[str, Any]) -> Done:
        """Tell a device what to do; returns when the broker has it.

        Raises as `prepare`, HOME_AWAY, MQTT_OFFLINE.
        """
        entity, messages = self.prepare(entity_id, service, data)
        before = self._registry.state(entity_id)
        if not before.available:
            raise EdgeError("HOME_AWAY", f"{entity.name} does not answer now")
        for order in messages:
            await self._publisher.publish(
                Outgoing(
                    topic=order.topic,
                    payload=order.payload,
                    retain=order.retain,
                    expiry_seconds=EXPIRY_SECONDS,
                )
            )
        if not {"state_topic", "mode_state_topic", "position_topic"} & entity.config.keys():
            self._registry.set_state(entity_id, optimistic(before, service, data))
        return Done(entity, before)
