"""The `intents` worker: templates in a process of its own, so that no sentence holds up the daemon."""

from __future__ import annotations

import time

import msgspec

from edge_assistant.intents.parser import Parser
from edge_assistant.intents.wire import IntentSettings, Order, Parse, Parsed, Ready, Vocabulary
from edge_assistant.workers.child import Channel

_ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)


def main(channel: Channel, settings: bytes) -> None:
    """Load the templates and answer until the daemon goes or says stop."""
    wanted = msgspec.msgpack.decode(settings, type=IntentSettings)
    began = time.monotonic()
    parser = Parser(wanted.languages)
    channel.send(Ready(round((time.monotonic() - began) * 1000, 1)))
    cold = list(wanted.languages)
    while True:
        payloads = channel.receive(0 if cold else None)
        if cold and not payloads:
            parser.warm(cold.pop(0))  # the first sentence would wait for it
        for payload in payloads:
            channel.begin_step()
            try:
                _answer(channel, parser, _ORDERS.decode(payload))
            finally:
                channel.end_step()


def _answer(channel: Channel, parser: Parser, order: Order) -> None:
    match order:
        case Vocabulary():
            parser.learn(order)
        case Parse():
            matches = parser.parse(order.text, order.languages, order.room, order.last)
            channel.send(Parsed(order.id, matches))
