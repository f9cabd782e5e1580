"""A daemon that knows one sentence: `Unlock the front door` publishes to the lock, after a question."""

from __future__ import annotations

import sys
from dataclasses import replace

from edge_assistant import app
from edge_assistant.assistant.acting import carry_out, occasion_of
from edge_assistant.assistant.events import Route
from edge_assistant.assistant.ladder import QuickAnswer
from edge_assistant.cli import main
from edge_assistant.tools.protocol import Call
from edge_assistant.wiring.optional import acting

TOPIC = "house/front/lock/set"


class Templates:
    def __init__(self, actions):
        self.actions = actions

    async def attempt(self, question):
        if "unlock the front door" not in question.request.text.lower():
            return None
        call = Call("mqtt_publish", {"topic": TOPIC, "payload": "UNLOCK"})
        result = await carry_out(question.turn, self.actions, call, occasion_of(question.request))
        return QuickAnswer(text=result.text, route=Route(rung="intent", model="", reason="a template"))


def acting_on_one_sentence(abilities):
    """Return what lets things be done, and tries the one sentence last."""
    made = acting(abilities)
    return replace(made, intents=(*made.intents, Templates(made.actions)))


if __name__ == "__main__":
    app.acting = acting_on_one_sentence
    sys.exit(main(["run"]))
