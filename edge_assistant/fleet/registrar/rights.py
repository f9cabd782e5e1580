"""Who may do what at the broker: orders for Mosquitto's dynamic-security plugin (mosquitto.org, 2.0).

A user and its role share one name. Taking the user away drops its live session and leaves whoever comes
back with its certificate without any topic; `disableClient` would not, as the plugin does not look at it
once a certificate has told who it is.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.wire import BAD, ROOT, device_topic, enrol_topic
from edge_assistant.mqtt.connection import Connection, Incoming, OfflineError, Outgoing

CONTROL = "$CONTROL/dynamic-security/v1"
REGISTRAR = "fleet.registrar"
GENERATION = "fleet.generation"
"""A role that lets nobody do anything: its description is how often the registrar has changed rights."""

CLAIM, RECOVERY = "claim.", "recovery."
"""What the names of these users begin with; no device's name holds a dot."""

ANSWER_SECONDS = 20.0
ORDERS_AT_ONCE = 40

_ITERATIONS = 101
"""Of PBKDF2-SHA512, as the plugin's own. Our passwords are 256 random bits, no words."""

Order = dict[str, Any]
_FINE = ("already exists", "not found")
"""Orders are repeated after a broken connection: what is done is done."""


def allow(username: str, password: str = "") -> list[Order]:
    """Return the orders that let a claim, a recovery or a device in."""
    orders: list[Order] = [
        {"command": "createRole", "rolename": username, "acls": _acls(username)},
        {"command": "createClient", "username": username, "roles": [{"rolename": username}]},
    ]
    if password:
        orders.append({"command": "setClientPassword", "username": username, "password": password})
    return orders


def refuse(username: str) -> list[Order]:
    """Return the orders that shut somebody out, at once."""
    return [
        {"command": "deleteClient", "username": username},
        {"command": "deleteRole", "rolename": username},
    ]


def number(generation: int) -> list[Order]:
    """Return the orders that write the generation down."""
    return [
        {"command": "createRole", "rolename": GENERATION},
        {"command": "modifyRole", "rolename": GENERATION, "textdescription": str(generation)},
    ]


def initial(password: str) -> dict[str, Any]:
    """Return the plugin's file for a new broker, on which the registrar alone may do anything."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return {
        "defaultACLAccess": {
            "publishClientSend": False, "publishClientReceive": False, "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [
            {
                "username": REGISTRAR, "roles": [{"rolename": REGISTRAR}],
                "password": base64.b64encode(digest).decode(), "salt": base64.b64encode(salt).decode(),
                "iterations": _ITERATIONS,
            }
        ],
        "groups": [],
        "roles": [{"rolename": REGISTRAR, "acls": _both("$CONTROL/dynamic-security/#", f"{ROOT}/#")}],
    }  # fmt: skip


def _acls(username: str) -> list[Order]:
    if username.startswith((CLAIM, RECOVERY)):
        return [*_send(enrol_topic(username, "request")), *_hear(enrol_topic(username, "reply"))]
    said = [device_topic(username, leaf) for leaf in ("reported", "availability", "renew")]
    told = [device_topic(username, leaf) for leaf in ("desired", "certificate")]
    cloud = (f"edge-assistant/cloud/request/{username}", f"edge-assistant/cloud/control/{username}/+")
    return [*_send(*said, *cloud), *_hear(*told, f"edge-assistant/cloud/reply/{username}")]


def _send(*topics: str) -> list[Order]:
    return [_acl("publishClientSend", topic) for topic in topics]


def _hear(*topics: str) -> list[Order]:
    return [_acl(kind, topic) for topic in topics for kind in ("subscribeLiteral", "publishClientReceive")]


def _both(*topics: str) -> list[Order]:
    kinds = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")
    return [_acl(kind, topic) for topic in topics for kind in kinds]


def _acl(kind: str, topic: str) -> Order:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


class Rights:
    """Gives orders to the plugin over the registrar's connection, one batch after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[Order]] = {}
        connection.subscribe(f"{CONTROL}/response", self._answered)

    async def carry_out(self, orders: Sequence[Order]) -> list[Order]:
        """Carry out all and return the answers; raises FLEET_BROKER_OFFLINE, FLEET_BROKER_REFUSED."""
        answers: list[Order] = []
        async with self._lock:
            for first in range(0, len(orders), ORDERS_AT_ONCE):
                answers += await self._some(orders[first : first + ORDERS_AT_ONCE])
        return answers

    async def users(self) -> set[str]:
        """Return the claims, recoveries and devices that the broker knows."""
        (answer,) = await self.carry_out([{"command": "listClients", "count": -1, "offset": 0}])
        return {str(name) for name in answer["data"]["clients"]} - {REGISTRAR}

    async def generation(self) -> int:
        """Return the generation that stands at the broker; 0 when none does."""
        answer = (await self.carry_out([{"command": "getRole", "rolename": GENERATION}]))[0]
        text = str(answer.get("data", {}).get("role", {}).get("textdescription", ""))
        return int(text) if text.isdecimal() else 0

    async def _some(self, orders: Sequence[Order]) -> list[Order]:
        loop = asyncio.get_running_loop()
        marks = {secrets.token_hex(8): order for order in orders}
        futures = {mark: loop.create_future() for mark in marks}
        self._waiting |= futures
        try:
            commands = [{**order, "correlationData": mark} for mark, order in marks.items()]
            payload = msgspec.json.encode({"commands": commands})
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connection.publish(Outgoing(topic=CONTROL, payload=payload))
                answers: list[Order] = await asyncio.gather(*futures.values())
        except (OfflineError, TimeoutError):
            raise EdgeError(
                "FLEET_BROKER_OFFLINE", "the operator's broker can't be reached now", retry_after=5.0
            ) from None
        finally:
            for mark in futures:
                self._waiting.pop(mark, None)
        _check(answers)
        return answers

    async def _answered(self, message: Incoming) -> None:
        try:
            responses: Iterable[Order] = msgspec.json.decode(message.payload)["responses"]
        except (*BAD, KeyError, TypeError):
            return
        for response in responses:
            future = self._waiting.get(str(response.get("correlationData", "")))
            if future is not None and not future.done():
                future.set_result(response)


def _check(answers: Iterable[Order]) -> None:
    for answer in answers:
        error = str(answer.get("error", ""))
        if error and not any(fine in error.lower() for fine in _FINE):
            raise EdgeError("FLEET_BROKER_REFUSED", f"the broker refused {answer.get('command')}: {error}")
