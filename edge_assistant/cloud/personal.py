# ruff: noqa: E501 - a form reads best on one line
"""What in a text could tell who somebody is or how to reach them: known names and the forms below. Pure.

The forms are those of Presidio's recognisers that need no model, with German ones added (ADR 0010): it
would rather find too much than too little, since all of it comes back in the answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?|januar|jänner|februar|märz|mai|juni|juli|oktober|dezember"
)
_TITLE = r"Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Herrn?|Frau|Fräulein|Familie|Doktor"
_NAME = rf"(?!(?:{_TITLE})\b)[A-ZÄÖÜÀ-Þ][\w'’-]{{1,40}}"
_NAMES = rf"{_NAME}(?:[ \t]+(?:(?:van|von|de|der|den|zu|la|le|di|da)[ \t]+){{0,2}}{_NAME}){{0,2}}"
_WAY_EN = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Square|Sq|Boulevard|Blvd|Way|Place|Pl|Terrace|Close|"
    r"Crescent|Gardens|Hill|Row|Mews|Park|Grove|Green|Walk|Parade|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Quay)\b\.?"
)
_WAY_DE = (
    r"(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|chaussee|steig|stieg|pfad|hof|markt|berg|wall|"
    r"graben|brücke|garten|feld|kamp|twiete)"
)
_WAY_DE_ALONE = (
    r"(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Ring|Damm|Ufer|Chaussee|Steig|Hof|Markt|Berg|Wall)"
)
_KIN = (
    r"wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|son|daughter|child|kid|baby|sister|brother|mother|mom|mum|father|"
    r"dad|grand(?:ma|pa|mother|father|son|daughter)|aunt|uncle|cousin|niece|nephew|friend|boss|colleague|neighbou?r|doctor|"
    r"dentist|therapist|teacher|landlord|landlady|roommate|flatmate|lawyer|nanny|dog|cat"
)
_KIN_DE = (
    r"Frau|Mann|Partnerin?|Freundin|Freund|Verlobte[rn]?|Sohn|Tochter|Kind|Baby|Schwester|Bruder|Mutter|Mama|Vater|Papa|"
    r"Oma|Opa|Großmutter|Großvater|Enkelin|Enkel|Tante|Onkel|Cousine|Cousin|Nichte|Neffe|Chefin|Chef|Kollegin|Kollege|"
    r"Nachbarin|Nachbar|Ärztin|Arzt|Zahnarzt|Lehrerin|Lehrer|Vermieterin|Vermieter|Hund|Katze"
)

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("EMAIL", re.compile(r"(?<![\w.+%'-])[\w.+%'-]{1,64}(?:@|\s?\[at\]\s?|\s?\(at\)\s?)(?:[\w-]{1,63}(?:\.|\s?\[dot\]\s?)){1,8}[A-Za-z]{2,}")),
    ("LINK", re.compile(r"\b(?:https?://|www\.)[^\s<>\"]+")),
    ("ACCOUNT", re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?\b")),
    ("NETWORK", re.compile(
        r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b|\b(?:[0-9A-Fa-f]{1,4}:){3,7}(?::|[0-9A-Fa-f]{1,4})+"
    )),
    ("ADDRESS", re.compile(
        rf"(?:\b(?i:flat|apartment|apt\.?|unit|suite)\s+\w{{1,5}},?\s+)?\b\d{{1,5}}[A-Za-z]?(?:-\d{{1,4}})?,?\s+(?:(?:[NSEW]\.?|[A-Z\d][\w'’.-]{{0,40}})\s+){{1,4}}?{_WAY_EN}"
        rf"(?:,?\s+(?i:apt\.?|apartment|unit|suite|flat|#)\s*\w{{1,5}})?"
        rf"(?:,\s*{_NAME}(?:\s+{_NAME}){{0,2}})?(?:,?\s+[A-Z]{{2}}\s+\d{{5}}(?:-\d{{4}})?|,?\s+[A-Z]{{1,2}}\d[A-Z\d]?\s?\d[A-Z]{{2}})?"
    )),
    ("ADDRESS", re.compile(
        rf"\b(?:[A-ZÄÖÜ][\wäöüß-]{{0,40}}{_WAY_DE}|(?:[A-ZÄÖÜ][\wäöüß.]{{0,40}}[ -]){{1,4}}?{_WAY_DE_ALONE}|"
        rf"(?:Am|An\sder|An\sden|Auf\sder|Auf\sdem|Im|In\sder|In\sden|Zum|Zur|Unter\sden|Hinter\sder|Vor\sdem|Alte[rn]?|Neue[rn]?)\s(?:[a-zäöü]+\s)?[A-ZÄÖÜ][\wäöüß-]{{1,40}})"
        rf"\s+\d{{1,4}}\s?[a-z]?\b(?:,?\s+(?:[AD]-|CH-)?\d{{4,5}}\s+{_NAME}(?:\s(?:am|an\sder|im|bei|ob\sder)\s{_NAME}|\s?\([^)\n]{{1,20}}\))?)?"
    )),
    ("ADDRESS", re.compile(rf"\b(?!(?:19|20)\d\d\s)(?:[AD]-|CH-)?\d{{4,5}}\s+[A-ZÄÖÜ][a-zäöüß]{{2,40}}(?:-{_NAME}|\s(?:am|an\sder|im|bei)\s{_NAME})?")),
    ("ADDRESS", re.compile(rf"\b{_NAME}(?:\s{_NAME})?,?\s+[A-Z]{{2}}\s+\d{{5}}(?:-\d{{4}})?\b|\b[A-Z]{{1,2}}\d[A-Z\d]?\s\d[A-Z]{{2}}\b")),
    ("DATE", re.compile(
        rf"\b\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?:{_MONTHS})\.?,?\s+(?:19|20)\d\d\b|\b(?:{_MONTHS})\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d\b|"
        r"\b\d{1,2}[./-]\d{1,2}[./-](?:(?:19|20)?\d\d)\b|\b(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}\b", re.IGNORECASE
    )),
    ("NUMBER", re.compile(r"(?<![\w.,])(?!(?:[1-9]\d{0,2}|0)\.\d+(?![\d.]))[+(]{0,2}\d(?:[ \t\u00a0./()–-]{0,3}\d){4,}(?![\d])")),
    ("NUMBER", re.compile(r"\b(?=[A-Z0-9-]{5,24}\b)(?=(?:[A-Z-]{0,22}\d){3})(?=[\d-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*\b|\b[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?\d{1,4}[EH]?\b")),
    ("NAME", re.compile(rf"\b(?:{_TITLE})\b\.?\s+(?:(?:Dr|Prof|med)\.\s+){{0,3}}(?P<it>{_NAMES})")),
    ("NAME", re.compile(
        rf"\b(?i:my|our|his|her|their)\s+(?:(?i:best|old|new|little|older|younger|late|dear|eldest|ex)[ -])?(?i:{_KIN})(?:(?i:'s name)?(?i:\s+is)?(?i:\s+(?:called|named))?|,)\s+(?P<it>{_NAMES})"
    )),
    ("NAME", re.compile(
        rf"\b(?i:mein|unser|sein|ihr|dein)(?:e[rnms]?)?\s+(?:(?i:beste|alte|neue|kleine|große|ältere|jüngere)[rnms]?\s+)?(?:{_KIN_DE})(?:s|es|n)?,?\s+(?:(?i:heißt|namens)\s+)?(?P<it>{_NAMES})"
    )),
    ("NAME", re.compile(
        rf"\b(?i:name is|name's|name ist|i am called|i'm called|call me|called|named|namens|heiße|heißt|heissen?|nenne? mich|ich bin der|ich bin die|signed,?|regards,|grüße,?|gruß,?|dear|liebe[rn]?|hallo|hi|hello)\s+(?P<it>{_NAMES})"
    )),
)  # fmt: skip
"""Kinds and forms; the group `it`, where there is one, is the personal part. Where several fit, the first gives the kind."""

WORDS = frozenset(
    [
        "will",
        "may",
        "mark",
        "rose",
        "grace",
        "hope",
        "art",
        "bill",
        "jack",
        "frank",
        "pat",
        "sue",
        "dawn",
        "summer",
        "joy",
        "faith",
        "max",
        "amber",
        "drew",
        "chase",
        "dean",
        "grant",
        "rich",
        "rob",
        "ray",
        "gene",
        "miles",
        "wade",
        "page",
        "april",
        "june",
        "august",
        "ernst",
        "wolf",
        "stern",
        "klein",
        "groß",
        "lang",
        "kurz",
        "schwarz",
        "weiß",
        "braun",
        "könig",
        "kaiser",
        "koch",
        "müller",
        "fischer",
        "weber",
        "becker",
        "bauer",
        "richter",
        "sommer",
        "winter",
        "berg",
        "tag",
        "art",
        "see",
    ]
)
"""Names that are words as well: they count when they begin with a capital."""

_SHORTEST = 2


def name_forms(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds the names of people and their parts, as they are written and declined; None for none."""
    forms: set[str] = set()
    for name in names:
        whole = " ".join(unicodedata.normalize("NFC", name).split())
        for form in (whole, *re.split(r"[\s,]+", whole), *re.split(r"[\s,-]+", whole)):
            if len(form) >= _SHORTEST and not form.isdigit():
                forms |= {form, _ascii(form), _spelt_out(form)}
    if not forms:
        return None
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    alternatives = "|".join(_alternative(form) for form in ordered)
    return re.compile(rf"(?<![^\W_])(?:{alternatives})(?=(?:['’]?s|['’])?(?![^\W_]))")


def _alternative(form: str) -> str:
    written = re.escape(form).replace(r"\ ", r"\s+")
    if form.lower() in WORDS:
        return f"{re.escape(form[0].upper())}(?i:{re.escape(form[1:])})"
    return f"(?i:{written})"


_PLAIN = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "Ae"}
)


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.translate(_PLAIN))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _spelt_out(text: str) -> str:
    for letter, spelt in (
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("Ä", "Ae"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
        ("ß", "ss"),
    ):
        text = text.replace(letter, spelt)
    return text
