"""Learns the house by listening on the home's broker, and keeps what it learnt.

A retained flood at connect is taken as it comes: what each message costs is bounded, subscriptions
and writes are gathered, and the event loop gets its turn in between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable

from edge_assistant.config.schema import Home
from edge_assistant.errors import EdgeError
from edge_assistant.home import rows, tasmota
from edge_assistant.home.discovery import Component, DiscoveryError, parse
from edge_assistant.home.entity import Entity, folded
from edge_assistant.home.reading import Reading, read, readings
from edge_assistant.home.registry import Registry
from edge_assistant.home.template import Templates
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.2
"""So long subscriptions and writes are gathered."""

LONGEST_STATE_PAYLOAD = 64 * 1024
MOST_ALIASES = 500
BREATH = 50
"""After so many announcements in a row the event loop gets its turn."""


class House:
    """Everything that is known of the house; `run` it as a task while the daemon lives."""

    def __init__(self, settings: Home, connection: Connection, database: Database) -> None:
        """Make it before `connection` runs."""
        self.registry = Registry(settings.devices)
        self.templates = Templates()
        self.heard_announcements = 0
        self.refused = 0
        """Announcements that could not be used."""
        self._prefix = settings.discovery_prefix
        self._connection = connection
        self._database = database
        self._readings: dict[str, list[Reading]] = {}
        self._topics: dict[str, set[str]] = defaultdict(set)
        """Topics that tell of an entity, by its id."""
        self._wanted: set[str] = set()
        """Topics to subscribe to."""
        self._unwanted: set[str] = set()
        """Topics that may tell of nothing any more."""
        self._tasmota = tasmota.Devices()
        self._polls: dict[str, set[tuple[str, str]]] = {}
        """By announcement: by which topics and messages its device is asked how it is."""
        self._unpolled: set[str] = set()
        """Announcements whose devices are still to be asked."""
        self._unsaved: dict[str, bytes] = {}
        self._unnamed: dict[str, str] = {}
        """Ids, by key, of what was learnt since it was written down."""
        self._work = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._told_version = 0
        connection.subscribe(f"{self._prefix}/+/+/config", self._announced)
        connection.subscribe(f"{self._prefix}/+/+/+/config", self._announced)
        connection.subscribe(f"{tasmota.PREFIX}/+/config", self._announced)
        connection.subscribe(f"{tasmota.PREFIX}/+/sensors", self._announced)
        connection.when_online(self._online)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when names, rooms or entities changed, many changes at once; it must not block."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Know again what was known before the last end; call before the connection runs."""
        announced, ids, aliases = await self._database.read(rows.load)
        self.registry.restore_ids(ids, aliases)
        for number, (topic, payload) in enumerate(announced):
            self._learn(topic, payload)
            if number % BREATH == 0:
                await asyncio.sleep(0)
        self._unnamed.clear()

    async def run(self) -> None:
        """Subscribe to what was learnt and write it down, until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._work.clear()
            self._tell()
            try:
                await self._subscribe()
                await self._save()
            except EdgeError as error:
                logger.warning("the house can't be kept: %s", error.code)

    async def call(self, entity: Entity, alias: str, principal: str) -> None:
        """Let an entity be called `alias` from now on, and nothing else; raises ALIASES_FULL."""
        registry = self.registry
        if sum(len(each.aliases) for each in registry.entities) >= MOST_ALIASES:
            raise EdgeError("ALIASES_FULL", "there are too many names already: forget some first")
        for other in registry.named(alias):
            said = registry.said_aliases(other.id)
            if kept := tuple(each for each in said if folded(each) != folded(alias)) if said else ():
                registry.name(other.id, kept)
            elif said:
                registry.name(other.id, ())
        await self._database.write(lambda db: rows.add_alias(db, entity.id, alias, principal))
        registry.name(entity.id, (*registry.said_aliases(entity.id), alias))
        self._work.set()

    async def forget_name(self, entity: Entity, alias: str) -> None:
        """Take such a name back."""
        await self._database.write(lambda db: rows.remove_alias(db, alias))
        said = self.registry.said_aliases(entity.id)
        self.registry.name(entity.id, tuple(each for each in said if each != alias))

    async def reload_names(self) -> None:
        """Take the names from the database again, after some were erased."""
        _, _, aliases = await self._database.read(rows.load)
        for entity in self.registry.entities:
            if self.registry.said_aliases(entity.id) != aliases.get(entity.id, ()):
                self.registry.name(entity.id, aliases.get(entity.id, ()))

    # --- what comes in ---

    async def _announced(self, message: Incoming) -> None:
        topic, payload = message.topic, message.payload
        if self._learn(topic, payload):
            self._unsaved[topic] = payload
            self._work.set()
        self.heard_announcements += 1
        if self.heard_announcements % BREATH == 0:
            await asyncio.sleep(0)

    def _learn(self, topic: str, payload: bytes) -> bool:
        """Take an announcement; return whether it is to be kept."""
        try:
            announced = self._parsed(topic, payload)
        except DiscoveryError as error:
            self.refused += 1
            logger.debug("an announcement is not used: %s", error.message)
            return False
        for where, components in announced.items():
            self._take(where, components)
        return any(announced.values()) or not payload.strip() or tasmota.is_tasmota(topic)

    def _parsed(self, topic: str, payload: bytes) -> dict[str, list[Component]]:
        if tasmota.is_tasmota(topic):
            return self._tasmota.parse(topic, payload)
        return {topic: parse(self._prefix, topic, payload)}

    def _take(self, topic: str, components: list[Component]) -> None:
        for entity in self.registry.announced(topic):
            self._unlisten(entity.id)
        self._polls[topic] = {each.poll for each in components if each.poll[0]}
        entities = self.registry.replace(topic, components)
        for entity in entities:
            self._listen(entity)
        self._unnamed.update((entity.key, entity.id) for entity in entities)
        if self._polls[topic]:
            self._unpolled.add(topic)
            self._work.set()

    def _listen(self, entity: Entity) -> None:
        new = not self.registry.told(entity.id)
        for topic, reading in readings(entity):
            self._readings.setdefault(topic, []).append(reading)
            self._topics[entity.id].add(topic)
            # What is retained on a topic comes again with a subscription: a new entity needs it too.
            if new or not self._connection.listens(topic):
                self._wanted.add(topic)
                self._work.set()

    def _unlisten(self, entity_id: str) -> None:
        for topic in self._topics.pop(entity_id, ()):
            kept = [each for each in self._readings.get(topic, ()) if each.entity != entity_id]
            if kept:
                self._readings[topic] = kept
            else:
                self._readings.pop(topic, None)
                self._unwanted.add(topic)
                self._work.set()

    async def _told(self, message: Incoming) -> None:
        if len(message.payload) > LONGEST_STATE_PAYLOAD:
            return
        now, registry = time.time(), self.registry
        for reading in self._readings.get(message.topic, ()):
            entity = registry.entity(reading.entity)
            if entity is not None:
                old = registry.state(entity.id)
                registry.set_state(
                    entity.id, read(entity, old, reading, message.payload, templates=self.templates, at=now)
                )

    # --- what is gathered ---

    def _tell(self) -> None:
        if self.registry.version != self._told_version:
            self._told_version = self.registry.version
            for listener in self._listeners:
                listener()

    async def _online(self) -> None:
        self._unpolled.update(topic for topic, polls in self._polls.items() if polls)
        self._work.set()

    async def _subscribe(self) -> None:
        wanted, self._wanted = sorted(self._wanted), set()
        unwanted, self._unwanted = sorted(self._unwanted), set()
        await self._connection.ignore([topic for topic in unwanted if topic not in self._readings])
        try:
            await self._connection.listen([topic for topic in wanted if topic in self._readings], self._told)
            await self._poll()
        except OfflineError:
            return  # they are subscribed to when the connection is back

    async def _poll(self) -> None:
        """Ask devices that don't retain their states, such as Tasmota's, once they are listened to."""
        while self._unpolled:
            for topic, ask in self._polls.get(self._unpolled.pop(), ()):
                await self._connection.publish(Outgoing(topic=topic, payload=ask.encode()))

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        ids, self._unnamed = self._unnamed, {}
        if unsaved:
            await self._database.write(lambda db: rows.save(db, unsaved, ids))
