# ruff: noqa: E501, ISC004 - a form reads best on one line
"""What of a message is a statement about the speaker's world that is worth remembering: by rules.

Pure text in, statements out. A small model invents as much as it finds (docs/benchmarks.md), so none
is asked: a sentence is kept in the person's own words when one of the forms below fits it. A `slot`
names what can only be true once (`sister name`); a newer statement for the slot takes the place of
the older one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

Origin = Literal["said", "asked", "corrected"]
"""Said in passing; asked to be remembered; said against what the assistant had said."""

MESSAGE_CHARACTERS = 4_000
"""More of one message is a text that somebody pasted, not something they say of themselves."""

SENTENCE_CHARACTERS = 300
SENTENCES = 12

CONFIDENCE: dict[Origin, float] = {"said": 0.7, "asked": 0.9, "corrected": 0.95}


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said to be so."""

    text: str
    slot: str = ""
    """What it is the one answer to; empty when several may hold."""
    origin: Origin = "said"
    shared: bool = False
    """Whether the person asked that everybody here may know it."""
    ended: bool = False
    """Whether it says that something no longer holds: it only takes the older one away."""


_PASTED = re.compile(r"```.*?(```|\Z)|^>.*$|“[^”]*”|\"[^\"]{40,}\"", re.DOTALL | re.MULTILINE)
_SENTENCES = re.compile(
    r"(?<=[.!?])\s+|\n+|;\s+|\s+(?:but|and) (?=(?:my|our|i|i'm|i've|we)\b)", re.IGNORECASE
)
_QUESTION = re.compile(
    r"\?\s*$|^(?:what|who|whom|whose|where|when|why|how|which|do|does|did|is|are|am|was|were|can|could|would|"
    r"should|shall|will|may|might|have you|has|tell me|show me|play|turn|set|switch|write|explain|translate)\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:if|whether|maybe|perhaps|suppose|imagine|pretend|might|would|could|wish|as if|for example|"
    r"i think|i guess|not sure|hypothetically|in the (?:story|film|book|game))\b",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"^(?:no|nope|wrong|that(?:'s| is) (?:wrong|not right|not true|incorrect)|not true|actually|correction|"
    r"i meant|i mean)\b[,.:!\s-]*(?:actually[,\s]+)?",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^(?:please\s+|hey\s+)?(?:can you\s+|could you\s+)?(?:remember|keep in mind|note|memori[sz]e|don't forget|"
    r"do not forget)(?P<all>\s+for (?:everyone|everybody|all of us|the family|the household|us all))?"
    r"(?:\s+that|\s*[:,])?\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"^(?:tell|let) (?:everyone|everybody|the family|the household|all of us)(?: know)?(?: that)?\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
_ALIAS = re.compile(
    r"^(?:by|with|when i say)\s+[\"'‘“]?(?P<name>[^\"'’”,]{2,40}?)[\"'’”]?,?\s+i (?:always )?mean\s+(?P<what>.{2,80})$",
    re.IGNORECASE,
)

_NAME = r"(?:is|are|'s) (?:now )?(?:called|named)"
_THING = r"(?P<thing>[\w'’ -]{2,40}?)"
_VALUE = r"(?P<value>.{1,200})"

_PLACE = r"(?:live|am living|reside|have moved|moved|just moved|am moving|settled)(?: now)?(?: back)? (?:in|to|at|near)"
_JOB = r"(?:work|am working|started working|started|have started) (?:now )?(?:at|for|with|in)"
_ROLE = r"(?:work|am working|am employed) (?:now )?as"

_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), slot)
    for pattern, slot in (
        (rf"^(?:my name is|i'm called|i am called|call me|people call me) {_VALUE}$", "own name"),
        (rf"^(?:my|our) {_THING}(?:'s|’s|s'|s’) name is(?: now)? {_VALUE}$", "{thing} name"),
        (rf"^the name of (?:my|our) {_THING} is(?: now)? {_VALUE}$", "{thing} name"),
        (rf"^(?:my|our) {_THING} {_NAME} {_VALUE}$", "{thing} name"),
        (rf"^i(?:'ve| have)? (?:now )?{_PLACE} {_VALUE}$", "own home"),
        (rf"^(?:my|our) (?:home|new home|flat|house|apartment|address) is (?:now )?(?:in |at )?{_VALUE}$", "own home"),
        (rf"^i(?:'m| am)? (?:now )?{_JOB} {_VALUE}$", "own employer"),
        (rf"^(?:my )?(?:new )?(?:employer|company) is (?:now )?{_VALUE}$", "own employer"),
        (rf"^my (?:new )?job is (?:now )?(?:at|with) {_VALUE}$", "own employer"),
        (rf"^i(?:'m| am)? (?:now )?{_ROLE} {_VALUE}$", "own work"),
        (rf"^i(?:'ve| have) become {_VALUE}$", "own work"),
        (rf"^(?:my|our) (?P<thing>fav(?:ou?rite) [\w ]{{2,30}}?) (?:is|are|has become) (?:now )?{_VALUE}$", "{thing}"),
        (r"^(?P<value>.{2,60}) is my (?:new )?(?P<thing>fav(?:ou?rite) [\w ]{2,30})$", "{thing}"),
        (rf"^(?:my|our) {_THING} (?:lives|is living|has moved|moved|is|are) (?:now )?(?:in|to|at|on) {_VALUE}$",
         "{thing} place"),
        (rf"^(?:my|our) {_THING} (?:works|is working) (?:now )?(?:as|at|for) {_VALUE}$", "{thing} work"),
        (rf"^(?:my|our) {_THING} (?:is|are|was|has changed to) (?:now )?{_VALUE}$", "{thing}"),
        (r"^(?:my|our) (?P<thing>\w[\w' -]{1,30}?) (?:has|have|likes?|loves?|hates?|needs?|wants?|plays?|drives?|"
         r"speaks?|studies|study|goes|starts?|opens?|closes?|comes?|takes?|keeps?|belongs?|sleeps?|eats?|drinks?|"
         r"owns?|runs?|hurts?|aches?|collects?|knows?|teaches|teach|reads?|sings?|makes?|sells?|cooks?|grows?|"
         r"wears?|uses?|visits?|costs?|expires?|ends?|begins?|stands?|hangs?|lies|stays?|sits?|broke|died|married|moved|bought|met)"
         r" .{2,200}$", ""),
        (r"^i(?:'m| am) (?:allergic|vegetarian|vegan|diabetic|left-handed|right-handed|colou?r-?blind|married|single|"
         r"divorced|engaged|retired|afraid|scared|learning|training|studying|from|born|a|an|the|into|on a|[\d.]+)\b.*$",
         ""),
        (r"^i was (?:born|raised|a|an)\b.{2,200}$", ""),
        (r"^i (?:really |always |never |usually |often |mostly |don't |do not |can't |cannot |no longer )*"
         r"(?:like|love|enjoy|hate|dislike|prefer|adore|avoid|eat|drink|take|need|own|drive|play|speak|collect|study|"
         r"use|have|keep|grow|sing|swim|run|cook|bake|read|watch|wear|go|get up|wake up|sleep|stand|smoke|cycle|"
         r"commute|train|teach|volunteer|follow|support|believe|want|plan|hope|pay|answer|rent|earn|weigh|visit|"
         r"studied|learnt|learned|grew|lost|saw|met|bought|sold|married|moved|visited|worked|lived|played|broke)"
         r"\b.{2,200}$", ""),
        (r"^i (?:can't|cannot|don't|do not|never|always|usually|often) "
         r"(?!know|think|understand|remember|see|hear|find|get|mean|care|feel|believe|say|mind|agree)\w+\b.{0,200}$", ""),
        (r"^i(?:'ve| have) (?:got |had |been |lived |worked |known |a |an |two |three |\d)\b.{2,200}$", ""),
        (r"^we (?:have|own|live|keep|use|need|like|always|never|usually|got|eat|celebrate|go)\b.{2,200}$", ""),
    )
)  # fmt: skip

_ASKED_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"^(?:the|our|this) {_THING} (?:is|are) (?:now )?{_VALUE}$", re.IGNORECASE), "{thing}"),
    (re.compile(r"^(?P<thing>[A-Z][\w' -]{1,40}?) (?:is|are) (?:now )?(?P<value>.{1,200})$"), "{thing}"),
)
"""Further forms, for what somebody asked to be remembered or corrected."""

_ENDED = re.compile(
    r"^i (?:no longer|don't|do not) (?P<verb>\w+) (?P<rest>.+?)(?: any ?more| any longer)?$", re.IGNORECASE
)
_FILLER = re.compile(
    r"^(?:by the way|btw|oh|well|so|hi|hello|hey|also|and|but|you know|listen|fyi|ok|okay|yes|today|now|"
    r"anyway|just so you know|for the record|as i said)\b[,:\s]+",
    re.IGNORECASE,
)
_SMALL = re.compile(r"\b(?:new|old|dear|lovely|current|own|very|the|a|an|now)\b\s*", re.IGNORECASE)


def statements(text: str) -> list[Statement]:
    """Return what a person's message says to be so, in its order; nothing of quotes and questions."""
    if len(text) > MESSAGE_CHARACTERS:
        return []
    plain = _PASTED.sub(" ", text).replace("’", "'")
    found = []
    corrected = False
    for raw in _SENTENCES.split(plain)[:SENTENCES]:
        sentence = _tidy(raw)
        if not sentence:
            continue
        rest = _CORRECTION.sub("", sentence, count=1)
        corrected = corrected or rest != sentence
        statement = _statement(_tidy(rest), "corrected" if corrected else "said") if rest else None
        if statement is not None:
            found.append(statement)
    return found


def _tidy(sentence: str) -> str:
    sentence = " ".join(sentence.split())
    while (shorter := _FILLER.sub("", sentence, count=1)) != sentence:
        sentence = shorter
    return sentence


def _statement(sentence: str, origin: Origin) -> Statement | None:
    shared = False
    if asked := _ASKED.match(sentence):
        sentence, origin, shared = asked["rest"], "asked", asked["all"] is not None
    elif told := _SHARE.match(sentence):
        sentence, origin, shared = told["rest"], "asked", True
    if not 5 <= len(sentence) <= SENTENCE_CHARACTERS or _QUESTION.search(sentence):  # noqa: PLR2004 - a word
        return None
    if origin == "said" and _DOUBT.search(sentence):
        return None
    body = sentence.rstrip(" .!")
    if alias := _ALIAS.match(body):
        return Statement(
            text=_sentence(body), slot=f"alias {alias['name'].lower()}", origin=origin, shared=shared
        )
    for slot, fits in _fits(body, origin):
        if fits:
            return Statement(
                text=_sentence(body), slot=slot, origin=origin, shared=shared, ended=bool(_ENDED.match(body))
            )
    return Statement(text=_sentence(body), origin=origin, shared=shared) if origin == "asked" else None


def _fits(body: str, origin: Origin) -> Iterator[tuple[str, bool]]:
    forms = _FORMS if origin == "said" else (*_FORMS, *_ASKED_FORMS)
    for pattern, slot in forms:
        if match := pattern.match(body):
            named = match.groupdict()
            thing = _thing(named.get("thing") or "")
            if "{thing}" in slot and not thing:
                continue
            yield slot.format(thing=thing), True


def _thing(name: str) -> str:
    """Return what is spoken of, in the form in which two messages agree about it."""
    small = _SMALL.sub("", name.lower().replace("favorite", "favourite"))
    return " ".join(re.sub(r"[^\w' -]", " ", small).removesuffix("'s").split())


def alias_of(slot: str) -> str:
    """Return the name that a slot explains, or nothing."""
    return slot.removeprefix("alias ") if slot.startswith("alias ") else ""


def ended_of(text: str) -> str:
    """Return the statement that a sentence such as `I no longer like tea` takes back, or nothing."""
    match = _ENDED.match(text.rstrip(" .!"))
    return f"I {match['verb']} {match['rest']}" if match else ""


def _sentence(body: str) -> str:
    return f"{body[:1].upper()}{body[1:]}."
