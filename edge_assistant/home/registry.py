"""All entities of the house by id, with their areas, names and states; tells who wants to know of changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import msgspec

from edge_assistant.config.schema import HomeDevice
from edge_assistant.home.discovery import Component
from edge_assistant.home.entity import CONTROLLED, UNKNOWN, Entity, State, folded, slug

MOST = 5_000
"""Entities; more are not learnt."""

_MAIN = frozenset(("light", "switch", "cover", "climate", "lock", "fan", "vacuum", "valve", "media_player"))


class Registry:
    """The house as it is known now."""

    def __init__(self, settings: Mapping[str, HomeDevice] | None = None) -> None:
        """Take what the configuration says of entities, by id or by name."""
        self._settings = {**(settings or {})}
        self._by_key: dict[str, Entity] = {}
        self._by_id: dict[str, Entity] = {}
        self._by_topic: dict[str, set[str]] = {}
        """Keys of what a topic announces."""
        self._states: dict[str, State] = {}
        self._aliases: dict[str, tuple[str, ...]] = {}
        self._ids: dict[str, str] = {}
        """Id by key, also of those that are away now: they come back under the same."""
        self._taken: set[str] = set()
        """All those ids."""
        self.version = 0
        """Grows with each change of names, areas or entities."""
        self.changes = 0
        """Grows with each change of how something is."""

    @property
    def entities(self) -> list[Entity]:
        """Everything that is known, in the order in which it was learnt."""
        return list(self._by_id.values())

    def entity(self, entity_id: str) -> Entity | None:
        """Return an entity by its id."""
        return self._by_id.get(entity_id)

    def state(self, entity_id: str) -> State:
        """Return how an entity is."""
        return self._states.get(entity_id, UNKNOWN)

    def told(self, entity_id: str) -> bool:
        """Return whether anything was ever heard of how an entity is."""
        return entity_id in self._states

    def set_state(self, entity_id: str, state: State) -> None:
        """Take note of how an entity is."""
        old = self.state(entity_id)
        if (old.value, old.available, old.attributes) != (state.value, state.available, state.attributes):
            self.changes += 1
        self._states[entity_id] = state

    def announced(self, topic: str) -> list[Entity]:
        """Return what a topic announces."""
        return [self._by_key[key] for key in self._by_topic.get(topic, ())]

    def areas(self) -> list[str]:
        """Return the rooms, sorted."""
        return sorted({entity.area for entity in self._by_id.values() if entity.area})

    def named(self, name: str, domains: Iterable[str] = ()) -> list[Entity]:
        """Return the entities that are called so, of `domains` when there are any given."""
        wanted, allowed = folded(name), frozenset(domains)
        return [
            entity
            for entity in self._by_id.values()
            if (not allowed or entity.domain in allowed) and wanted in map(folded, entity.names)
        ]

    def in_area(self, area: str) -> list[Entity]:
        """Return the entities of a room."""
        wanted = folded(area)
        return [entity for entity in self._by_id.values() if folded(entity.area) == wanted]

    def replace(self, topic: str, components: Iterable[Component]) -> list[Entity]:
        """Take what `topic` announces instead of what it announced before; return it."""
        found = list(components)
        kept = {component.key for component in found}
        gone = self._by_topic.get(topic, set()) - kept
        before = {key: self._by_key.get(key) for key in kept}
        for key in gone:
            self._forget(topic, key)
        entities = [self._put(each) for each in found if each.key in self._by_key or len(self._by_key) < MOST]
        if entities:
            self._by_topic[topic] = {entity.key for entity in entities}
        if gone or any(before[entity.key] != entity for entity in entities):
            self.version += 1
        return entities

    def restore_ids(self, ids: Mapping[str, str], aliases: Mapping[str, tuple[str, ...]]) -> None:
        """Take ids and aliases of an earlier life; call before anything is learnt."""
        self._ids |= ids
        self._taken.update(ids.values())
        self._aliases |= aliases

    def name(self, entity_id: str, aliases: tuple[str, ...]) -> None:
        """Let an entity be called by `aliases` too, besides those of the configuration."""
        self._aliases[entity_id] = aliases
        entity = self._by_id.get(entity_id)
        if entity is not None:
            self._store(self._owned(msgspec.structs.replace(entity, aliases=())))
            self.version += 1

    def said_aliases(self, entity_id: str) -> tuple[str, ...]:
        """Return the aliases that people gave by voice."""
        return self._aliases.get(entity_id, ())

    def _put(self, component: Component) -> Entity:
        key = component.key
        name = _whole_name(component)
        old = self._by_key.get(key)
        entity_id = self._ids.get(key) or self._new_id(component, name)
        self._ids[key] = entity_id
        self._taken.add(entity_id)
        config = component.config
        entity = Entity(
            id=entity_id,
            key=key,
            domain=component.domain,
            name=name,
            area=component.area,
            device=component.device,
            device_class=_word(config.get("device_class")),
            unit=_word(config.get("unit_of_measurement")),
            config=config,
            diagnostic=config.get("entity_category") in {"diagnostic", "config"},
            aliases=_announced_aliases(component, name),
        )
        entity = self._owned(entity)
        if old != entity:
            self._store(entity)
        return entity

    def _owned(self, entity: Entity) -> Entity:
        """Return an entity as its owner wants it, by configuration and by voice."""
        wish = self._settings.get(entity.id) or self._settings.get(entity.name) or HomeDevice()
        aliases = (*entity.aliases, *wish.aliases, *self._aliases.get(entity.id, ()))
        name = wish.name or entity.name
        return msgspec.structs.replace(
            entity,
            name=name,
            area=wish.area or entity.area,
            aliases=tuple(dict.fromkeys(alias for alias in aliases if alias and alias != name)),
        )

    def _new_id(self, component: Component, name: str) -> str:
        wished = slug(component.object_id) if component.config.get("default_entity_id") else slug(name)
        entity_id, number = f"{component.domain}.{wished}", 1
        while entity_id in self._taken:
            number += 1
            entity_id = f"{component.domain}.{wished}_{number}"
        return entity_id

    def _store(self, entity: Entity) -> None:
        self._by_key[entity.key] = entity
        self._by_id[entity.id] = entity

    def _forget(self, topic: str, key: str) -> None:
        self._by_topic[topic].discard(key)
        if not self._by_topic[topic]:
            del self._by_topic[topic]
        entity = self._by_key.pop(key)
        self._by_id.pop(entity.id, None)
        self._states.pop(entity.id, None)


def optimistic(state: State, service: str, data: Mapping[str, object]) -> State:
    """Return how a thing that never tells is, after it was told something."""
    values = {
        "turn_on": "on",
        "turn_off": "off",
        "lock": "locked",
        "unlock": "unlocked",
        "open_cover": "open",
        "close_cover": "closed",
        "media_play": "playing",
        "media_pause": "paused",
        "start": "cleaning",
        "return_to_base": "returning",
    }
    attributes = {
        **state.attributes,
        **{key: value for key, value in data.items() if isinstance(value, (int, float))},
    }
    return State(value=values.get(service, state.value), attributes=attributes, changed_at=time.time())


def controllable(entities: Iterable[Entity]) -> list[Entity]:
    """Return those that can be told what to do and are no setting of a device."""
    return [entity for entity in entities if entity.domain in CONTROLLED and not entity.diagnostic]


def _whole_name(component: Component) -> str:
    device, name = component.device, component.name
    if not name or not device:
        return name or device or component.object_id.replace("_", " ")
    return name if folded(name).startswith(folded(device)) else f"{device} {name}"


def _announced_aliases(component: Component, name: str) -> tuple[str, ...]:
    device = (component.device,) if component.domain in _MAIN else ()
    return tuple(each for each in dict.fromkeys((*device, *component.also)) if each and each != name)


def _word(value: object) -> str:
    return value[:40] if isinstance(value, str) else ""
