"""What is said when something could not be done, in the language it was asked for. Pure."""

from __future__ import annotations

from edge_assistant.errors import EdgeError

_GERMAN = {
    "ACTIONS_RATE_LIMITED": "das waren zu viele Aufträge in kurzer Zeit, bitte gleich noch einmal",
    "ACTION_FORBIDDEN": "das dürfen Gäste nicht: bitte jemanden fragen, der hier wohnt",
    "ALIASES_FULL": "es gibt schon zu viele Namen: bitte erst welche vergessen lassen",
    "CALCULATION_BAD": "das kann ich nicht ausrechnen",
    "CONFIRMATION_GONE": "danach wird nicht mehr gefragt, nichts ist geschehen: bitte noch einmal sagen",
    "CONFIRMATION_NOT_YOURS": "das wurde jemand anderes gefragt",
    "HOME_AMBIGUOUS": "davon gibt es mehrere: bitte mit dem Raum sagen",
    "HOME_AWAY": "das Gerät antwortet gerade nicht",
    "HOME_CANNOT": "das kann dieses Gerät nicht",
    "HOME_DATA_BAD": "diesen Wert nimmt das Gerät nicht",
    "HOME_NAME_TAKEN": "so heißt schon etwas anderes",
    "HOME_SERVICE_UNKNOWN": "das kann dieses Gerät nicht",
    "HOME_UNKNOWN": "das gibt es in diesem Haus nicht",
    "LISTS_FULL": "dafür ist kein Platz mehr: bitte erst etwas streichen",
    "MQTT_OFFLINE": "der Broker ist gerade nicht erreichbar",
    "NOTHING_TO_UNDO": "da ist nichts, was ich zurücknehmen könnte",
    "PIN_LOCKED": "zu viele falsche PINs: bitte ein paar Minuten warten",
    "PIN_NOT_SET": "dafür braucht es eine PIN, und es ist keine eingerichtet",
    "PIN_WRONG": "diese PIN stimmt nicht",
    "TIMERS_FULL": "es sind schon zu viele Timer gestellt: bitte erst welche abbrechen",
    "TIMER_BAD": "so lässt sich kein Timer stellen",
    "TIMER_GONE": "dieser Timer ist schon vorbei",
    "TIMER_NOT_FOUND": "so ein Timer ist nicht gestellt",
    "TOOL_TIMEOUT": "das dauert zu lange: bitte später noch einmal versuchen",
}
"""By code; what stands in no table is said in English, with the names in it."""


def refusal(error: EdgeError, language: str) -> str:
    """Return a sentence about an error."""
    words = (_GERMAN.get(error.code) if language.startswith("de") else None) or error.message
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
