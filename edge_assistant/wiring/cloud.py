"""The cloud: a connection to the operator's broker, the model behind it, and the rules of asking it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import apsw

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.ladder import Extensions
from edge_assistant.assistant.routing import Elsewhere, Policy
from edge_assistant.cloud.budget import MonthlyBudget
from edge_assistant.cloud.deferred import LANE, ArrivedRung, Deferred, DeferringRung
from edge_assistant.cloud.pseudonyms import PseudonymModel
from edge_assistant.cloud.rpc import MOST_CALLS, CloudModel
from edge_assistant.cloud.wire import WINDOW
from edge_assistant.config import Config, secret
from edge_assistant.frontends.mqtt.topics import device_of
from edge_assistant.memory.conversations import Conversations
from edge_assistant.mqtt.broker import parse_broker
from edge_assistant.mqtt.connection import Connection
from edge_assistant.store.database import Database
from edge_assistant.store.outbox import Outbox
from edge_assistant.tools.protocol import Ledger
from edge_assistant.wiring.tasks import begin
from edge_assistant.workers.backoff import RestartPolicy

RECONNECT = RestartPolicy(first_seconds=1.0, longest_seconds=30.0, healthy_seconds=5.0)
"""For a broker on the internet: back within a minute of its return, also with ten seconds to connect."""

_PLACES = "slot GLOB '* name' OR slot GLOB '* place' OR slot IN ('own name', 'own home', 'own employer')"
_CAPITALISED = re.compile(r"(?<=[\s'’(-])[A-ZÄÖÜÀ-Þ][\w'’-]+")


@dataclass(frozen=True)
class Cloud:
    """What the cloud adds to the assistant, and what it does by itself once there is one."""

    extensions: Extensions
    model: CloudModel
    elsewhere: Elsewhere
    budget: MonthlyBudget
    deferred: Deferred

    def configure(self, config: Config) -> None:
        """Ask from now on only when and what `config` allows."""
        self.elsewhere.policy = policy_of(config)
        self.model.allow(allowed=self.elsewhere.policy.consent != "never")
        self.deferred.configure(config)

    def serve(self, stack: AsyncExitStack, assistant: Assistant) -> None:
        """Ask what had to wait, until the stack unwinds."""
        begin(stack, self.deferred.run(assistant), "deferred questions")


async def start_cloud(
    stack: AsyncExitStack,
    config: Config,
    database: Database,
    conversations: Conversations,
    ledger: Ledger,
) -> Cloud:
    """Connect until the stack unwinds; raises `ConfigError` MQTT_URL_BAD."""
    cloud = config.cloud
    broker = parse_broker(
        cloud.url, username=cloud.username, password=secret("cloud_password"), ca_file=cloud.ca_file,
        certificate_file=cloud.certificate_file, key_file=cloud.key_file,
    )  # fmt: skip
    device = cloud.device or config.mqtt.device or device_of(socket.gethostname())
    connection = Connection(
        broker, f"edge-assistant-cloud-{device}", reconnect=RECONNECT, most_queued=MOST_CALLS * WINDOW
    )
    model = CloudModel(connection, device)
    connecting = asyncio.create_task(connection.run(), name="cloud connection")

    async def stop() -> None:
        await model.stop()
        connecting.cancel()
        await asyncio.wait([connecting])

    stack.push_async_callback(stop)

    async def names() -> Iterable[str]:
        return (*cloud.names, *await database.read(known_names))

    budget = MonthlyBudget(database, cloud.budget)
    elsewhere = Elsewhere(PseudonymModel(model, names), policy_of(config), budget, conversations, ledger)
    deferred = Deferred(elsewhere, Outbox(database, lane=LANE), config)
    connection.when_online(deferred.go_on)
    extensions = Extensions(
        intents=(ArrivedRung(deferred),), extractive=(DeferringRung(deferred),), elsewhere=elsewhere
    )
    made = Cloud(extensions, model, elsewhere, budget, deferred)
    made.configure(config)
    return made


def policy_of(config: Config) -> Policy:
    """Return what the owner allows."""
    cloud = config.cloud
    return Policy(consent=cloud.consent, wait_seconds=cloud.wait_seconds, unsure=cloud.unsure)


def known_names(db: apsw.Connection) -> list[str]:
    """Return the names of the people here, and the names and places that people told of themselves."""
    users = [str(row[0]) for row in db.execute("SELECT name FROM users WHERE name <> ''")]
    told = db.execute(f"SELECT text FROM facts WHERE {_PLACES}")  # noqa: S608 - constants
    return [*users, *(name for row in told for name in _CAPITALISED.findall(str(row[0])))]
