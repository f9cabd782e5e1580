# ruff: noqa: E501 - a form reads best on one line
"""Personal texts in English and German: what of them the broker sees, and whether they come back whole."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack

from edge_assistant.bench.cloud.parts import (
    answer,
    broker_folder,
    counting_upstream,
    device,
    mosquitto,
    until_served,
    workers,
)
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import Measurement, Setting
from edge_assistant.cloud.pseudonyms import PseudonymModel
from edge_assistant.errors import EdgeError
from edge_assistant.mqtt.connection import Connection, Incoming

TEXTS = 200

PEOPLE = (
    "Theodora Quillfeather", "Ruairí Ó Snodaigh", "Zoë Brackenbury", "Jürgen Plötzensee", "Wiebke Hünerbein",
    "Anneliese Kröschel", "Fatoumata Diarrassouba", "Søren Łukaszewicz", "Priya Venkataraghavan", "Max Öhlschläger",
)  # fmt: skip
"""The household and its contacts, as they are configured."""

STREETS = {
    "en": ("Quagmire Lane", "Thistlebrook Road", "Old Ferryman's Street", "Larkspur Avenue", "North Pennyroyal Drive", "Gallows Hill"),
    "de": ("Krötenmühlenweg", "Alte Zollstraße", "Am Hexentümpel", "Fürstenwalder Allee", "Konrad-Zuse-Straße", "Gänsemarkt"),
}  # fmt: skip
TOWNS = {
    "en": ("Wolverdale, OR 97401", "Great Snoring NR21 0AA", "Muncaster, IN 47304", "Little Wymondham CB3 9QQ"),
    "de": ("17258 Feldberg", "79098 Dornhausen", "8010 Grauwasser", "D-01067 Elbstadt"),
}  # fmt: skip
MONTHS = {"en": ("March", "October", "June"), "de": ("März", "Oktober", "Juni")}

FORMS = {
    "en": (
        "Please write a birthday card for {name}, who was born on {day} {month} {year}.",
        "My number is {phone} and my e-mail is {mail}. Put both into a polite signature.",
        "{name} lives at {house} {street}, {town}. How do I invite them to dinner?",
        "Is {iban} a valid account? It belongs to {first}'s brother.",
        "Draft a letter to the bank about card {card}; sign it with {name}.",
        "Translate: {first} and {other} meet at {house} {street} at noon.",
        "{upper} SHOUTS A LOT. What can {first} do?",
        "My passport is {passport} and my licence plate {plate}. Which of them expires?",
        "Summarise: “Call {name} under {phone}, or write to {mail}.”",
        "What rhymes with {first}? And with {other}?",
        "Our router has {ip} and {mac}; the camera is at {url}. Is that safe?",
        "Move the appointment of {year}-{mm}-{dd} with {first}'s doctor, tax number {tax}.",
    ),
    "de": (
        "Schreib eine Geburtstagskarte für {name}, geboren am {day}. {month} {year}.",
        "Meine Nummer ist {phone}, meine E-Mail {mail}. Mach daraus eine höfliche Signatur.",
        "{name} wohnt {street} {house}, {town}. Wie lade ich zum Essen ein?",
        "Ist {iban} ein gültiges Konto? Es gehört {first}s Bruder.",
        "Entwirf einen Brief an die Bank über Karte {card}, unterschrieben von {name}.",
        "Übersetze: {first} und {other} treffen sich {street} {house} am Mittag.",
        "{upper} SCHREIT VIEL. Was kann {first} tun?",
        "Mein Pass ist {passport}, mein Kennzeichen {plate}. Was läuft ab?",
        "Fasse zusammen: „Ruf {name} unter {phone} an oder schreib an {mail}.“",
        "Was reimt sich auf {first}? Und auf {other}?",
        "Unser Router hat {ip} und {mac}, die Kamera ist {url}. Ist das sicher?",
        "Verschiebe den Termin am {dd}.{mm}.{year} mit {first}s Ärztin, Steuernummer {tax}.",
    ),
}  # fmt: skip

LEAKED = Goal(
    metric="canaries in what the broker saw",
    unit="canaries",
    text="200 generated personal texts in English and German: 0 canaries in what the broker saw",
    at_most=0,
)
RESTORED = Goal(
    metric="answers that did not come back as they should",
    unit="answers",
    text="200 generated personal texts in English and German: the restored answers equal",
    at_most=0,
)


def personal_text(chance: random.Random, language: str) -> tuple[str, list[str]]:
    """Return a text and the words in it that must not leave."""
    name, other = chance.sample(PEOPLE, 2)
    digits = "".join(chance.choices("0123456789", k=40))
    street, town = chance.choice(STREETS[language]), chance.choice(TOWNS[language])
    first = name.split()[0]
    phone = chance.choice((
        f"+49 {1}{digits[:2]} {digits[2:9]}", f"0{digits[:3]}-{digits[3:10]}", f"({digits[:3]}) {digits[3:6]}-{digits[6:10]}",
        f"+44 20 {digits[:4]} {digits[4:8]}", f"00{digits[:2]}/{digits[2:10]}", digits[:11],
    ))  # fmt: skip
    values = {
        "name": name, "first": first, "other": other.split()[0], "upper": first.upper(), "street": street, "town": town,
        "house": f"{chance.randint(2, 220)}{chance.choice(('', '', 'a', 'b'))}", "phone": phone,
        "mail": f"{chance.choice(('kontakt', 'zq', 'post.box', 'x_y+z'))}{digits[:3]}@{chance.choice(('quillmail.example', 'sub.hexe-post.de', 'wyrm.co.uk'))}",
        "iban": chance.choice((f"DE{digits[:2]} {digits[2:6]} {digits[6:10]} {digits[10:14]} {digits[14:18]} {digits[18:20]}", f"GB{digits[:2]}WEST{digits[2:16]}")),
        "card": chance.choice((" ", "-", "")).join(digits[n : n + 4] for n in (20, 24, 28, 32)),
        "passport": f"C{digits[:2]}X{digits[2:4]}T{digits[4:6]}", "plate": f"M-{chance.choice(('QX', 'ZY'))} {chance.randint(100, 9999)}",
        "day": chance.randint(1, 28), "dd": f"{chance.randint(1, 28):02}", "mm": f"{chance.randint(1, 12):02}",
        "month": chance.choice(MONTHS[language]), "year": chance.randint(1941, 2019),
        "ip": f"192.168.{chance.randint(2, 250)}.{chance.randint(2, 250)}", "mac": ":".join(digits[n : n + 2] for n in range(0, 12, 2)),
        "url": f"http://cam{digits[:3]}.quillnet.example/live?key={digits[3:9]}", "tax": f"{digits[:2]}/{digits[2:5]}/{digits[5:10]}",
    }  # fmt: skip
    form = chance.choice(FORMS[language])
    return form.format(**values), _canaries(form, values)


_TELLING_DIGITS, _TELLING_LETTERS = 4, 3
_ORDINARY = frozenset({"Am", "Old", "Alte", "North", "Hill", "Great", "Little", "Max"})
"""Words of any text."""


def _canaries(form: str, values: dict[str, object]) -> list[str]:
    """Return the parts of the personal values of a text that would give somebody away."""
    used = {key: str(value) for key, value in values.items() if f"{{{key}}}" in form}
    found = [part for key in ("name", "first", "other") if key in used for part in used[key].split()]
    found += [
        used[key]
        for key in ("phone", "mail", "iban", "card", "passport", "plate", "ip", "mac", "url", "tax")
        if key in used
    ]
    found += [
        word for key in ("street", "town") if key in used for word in used[key].replace(",", "").split()
    ]
    found += [
        part
        for key in ("phone", "card", "iban")
        if key in used
        for part in used[key].replace("-", " ").split()
        if len(part) >= _TELLING_DIGITS
    ]
    if "year" in used:
        found.append(used["year"])
    return [each for each in dict.fromkeys(found) if len(each) >= _TELLING_LETTERS and each not in _ORDINARY]


_RANDOM = re.compile(r'"(?:id|worker)":"(?:w-)?[0-9a-f]+"')
"""Random names, in which a short canary may stand by chance."""


class Spy:
    """Reads everything that goes over the broker."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def hear(self, message: Incoming) -> None:
        """Keep one message."""
        self.seen.append(_RANDOM.sub("", message.payload.decode(errors="replace").lower()))


async def _run(texts: list[tuple[str, list[str]]]) -> tuple[list[str], int, int]:
    """Return the canaries that leaked, how many answers were wrong, and how many messages there were."""

    async def names() -> Iterable[str]:
        return PEOPLE

    spy = Spy()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(broker_folder())
        broker = stack.enter_context(mosquitto(folder))
        url = await stack.enter_async_context(counting_upstream())
        await stack.enter_async_context(workers(1, broker.url, url))
        watching = Connection(broker.broker, "spy")
        watching.subscribe("#", spy.hear)
        task = asyncio.create_task(watching.run(), name="bench spy")
        model = await stack.enter_async_context(device(broker.broker, "home"))
        await until_served(model)
        cloud, leaked, wrong = PseudonymModel(model, names), [], 0
        try:
            for text, canaries in texts:
                spy.seen.clear()
                try:
                    wrong += await answer(cloud, text) != text
                except EdgeError:
                    wrong += 1
                await asyncio.sleep(0.005)
                seen = "\n".join(spy.seen)
                leaked += [canary for canary in canaries if canary.lower() in seen]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return leaked, wrong, len(texts)


def measure(setting: Setting) -> Iterator[Result]:
    """Let a model say personal texts back and read along at the broker."""
    chance = random.Random(8)  # noqa: S311 - the same texts each time
    count = setting.count(TEXTS, 40)
    texts = [personal_text(chance, ("en", "de")[number % 2]) for number in range(count)]
    leaked, wrong, asked = asyncio.run(_run(texts))
    number = sum(len(canaries) for _, canaries in texts)
    note = f"n={asked} texts with {number:,} canaries, said back three letters a chunk"
    yield LEAKED.measured(len(leaked), f"{note}; leaked: {sorted(set(leaked))[:5]}" if leaked else note)
    yield RESTORED.measured(wrong, note)


MEASUREMENTS = (Measurement((LEAKED, RESTORED), measure),)
