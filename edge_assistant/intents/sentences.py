"""Our own sentences besides those of home-assistant-intents, in hassil's form, in English and German."""

from __future__ import annotations

import re
from typing import Any

PRONOUNS = {
    "en": re.compile(r"\b(it|them|that one|this one|that)\b", re.IGNORECASE),
    "de": re.compile(r"\b(es|sie|ihn|das|die|den)\b", re.IGNORECASE),
}
"""What stands for what was spoken of before."""

SKIPPED = {
    "en": re.compile(
        r"\b(please|again|now|just|kindly|for me|right away|(can|could|would|will) you|i('d| would) like you to)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(bitte|wieder|jetzt|mal|gleich|sofort|noch|ja|mir|doch|(kannst|könntest|würdest) du)\b",
        re.IGNORECASE,
    ),
}
"""Words without which a command means the same."""

PARTS = {
    "en": re.compile(r",? and then |,? then |,? and |, ", re.IGNORECASE),
    "de": re.compile(r",? und dann |,? dann |,? und |, ", re.IGNORECASE),
}

WIDENED: dict[str, dict[str, str]] = {"en": {"open": "pull up", "close": "pull down"}, "de": {}}
"""More words for a rule of theirs."""

_SWITCHED = {"domain": ["light", "switch", "fan", "humidifier", "siren", "media_player"]}


def _said(*sentences: str, **more: Any) -> dict[str, Any]:
    """Return a group of sentences.

    `kinds` are the domains of what is named, `room` takes the room it is heard in.
    """
    group: dict[str, Any] = {"sentences": list(sentences)}
    context: dict[str, Any] = {}
    if kinds := more.pop("kinds", None):
        context["domain"] = kinds
    if more.pop("room", False):
        context["area"] = {"slot": True}
    response = more.pop("response", None)
    if context:
        group["requires_context"] = context
    if response:
        group["response"] = response
    if more:
        group["slots"] = more
    return group


_COVERS_EN: tuple[tuple[str, dict[str, str]], ...] = (
    ("cover|covers", {}),
    ("blind|blinds", {"device_class": "blind"}),
    ("shutter|shutters", {"device_class": "shutter"}),
    ("curtain|curtains", {"device_class": "curtain"}),
)
_COVERS_DE = (
    ("Rollläden|Rolladen|Läden", "shutter"),
    ("Rollos|Jalousien", "blind"),
    ("Vorhänge|Gardinen", "curtain"),
)

_EN: dict[str, list[dict[str, Any]]] = {
    "HassTurnOn": [
        _said("all [of ][<the> ]<light> on", domain="light"),
        _said(
            "(start|fire up|power up|boot up|power on|put on|get|activate|enable|run) [<the> ]{name}",
            "(put|power) [<the> ]{name} on",
            "[<the> ]{name} on",
            kinds=_SWITCHED["domain"],
        ),
        _said("(make|brew) [me |us ](a|some) {name}", kinds=["switch"]),
        _said("(make|brew) [me |us ](a|an|some|a cup of) {product:name}"),
        _said(
            "(light up|illuminate|brighten [up]) [<the> ]{area}",
            "(give me|I need|I want|I'd like|let there be|put on) [some |a |more |the ]<light> <in> [<the> ]{area}",
            "[it is |it's |its ][too |so |very |pretty ]dark <in> [<the> ]{area}",
            "I (can't|cannot|can not) see [anything|a thing] <in> [<the> ]{area}",
            "<light> on <in> [<the> ]{area}",
            "{area} <light> on",
            domain="light",
        ),
        _said(
            "(it is|it's|its) [too |so |very |pretty ]dark [in] [here]",
            "I need [some |more ]<light>",
            "I (can't|cannot) see anything",
            "(put|get) the <light> on",
            "<light> on",
            "let there be light",
            room=True,
            domain="light",
        ),
        _said(
            "(start|activate|run|set|begin|turn on|switch on|it's) [<the> ][scene ]{name}[ scene]",
            "(start|activate|run|set|turn on) [<the> ]scene {name}",
            "[scene ]{name}[ scene][ please]",
            kinds=["scene"],
        ),
        _said("(pull up|raise|lift|roll up) [<the> ]{name}", "open [<the> ]{name}", kinds=["cover", "valve"]),
        *(
            _said(
                f"(open|raise|lift|pull up|roll up) (all|every) [of ][<the> ]({words})",
                domain="cover",
                **more,
            )
            for words, more in _COVERS_EN
        ),
    ],
    "HassTurnOff": [
        _said(
            "(shut down|shut off|power off|power down|kill|put out|cut|disable|deactivate) [<the> ]{name}",
            "(put|power|shut) [<the> ]{name} (off|out|down)",
            "[<the> ]{name} (can|may) (go|be) [turned ](off|out)",
            "[<the> ]{name} off",
            kinds=_SWITCHED["domain"],
        ),
        _said(
            "(kill|shut off|cut|put out) [all ][<the> ]<light> <in> [<the> ]{area}",
            "{area} <light> (off|out)",
            "<light> (off|out) <in> [<the> ]{area}",
            domain="light",
        ),
        _said("(kill|shut off|cut|put out) [<the> ]<light>", "<light> (off|out)", room=True, domain="light"),
        _said(
            "(pull down|draw|lower|let down|roll down|shut|close) [<the> ]{name}",
            "draw [<the> ]{name}",
            kinds=["cover", "valve"],
        ),
        *(
            _said(
                f"(close|shut|lower|pull down|roll down) (all|every) [of ][<the> ]({words})",
                domain="cover",
                **more,
            )
            for words, more in _COVERS_EN
        ),
        _said(
            "(turn|switch|shut) [<the> ](heating|heater|thermostat) off <in> [<the> ]{area}",
            "(turn|switch|shut) off [<the> ](heating|heater|thermostat) <in> [<the> ]{area}",
            domain="climate",
        ),
        _said("(turn|switch) off [<the> ]{name}", "(turn|switch) [<the> ]{name} off", kinds=["climate"]),
    ],
    "EdgeEverythingOff": [
        _said(
            "(turn|switch|shut) everything off <in> [<the> ]{area}",
            "(turn|switch|shut) off everything <in> [<the> ]{area}",
            "everything off <in> [<the> ]{area}",
        ),
    ],
    "EdgeStop": [
        _said("(stop|halt) [<the> ]{name}", kinds=[*_SWITCHED["domain"], "cover", "valve", "vacuum"]),
    ],
    "EdgeToggle": [_said("toggle [<the> ]{name}", kinds=_SWITCHED["domain"])],
    "EdgeLock": [
        _said(
            "(lock|bolt) [up ][<the> ]{name}",
            "make sure [that ][<the> ]{name} is locked",
            "lock [<the> ]{name} up",
            kinds=["lock"],
        ),
        _said(
            "lock (all|every)[ of] [<the> ](door|doors|lock|locks)", "lock everything", "lock up", every=True
        ),
    ],
    "EdgeUnlock": [_said("(unlock|open) [up ][<the> ]{name}", kinds=["lock"])],
    "HassSetPosition": [
        _said(
            "(set|open|close|move|raise|lower) [<the> ]{name} (to|at) {position}[[ ](%|percent)]",
            "[<the> ]{name} (to|at) {position}[[ ](%|percent)]",
            kinds=["cover", "valve"],
        ),
        _said(
            "(set|open|close|move|raise|lower) [<the> ]{name} (halfway|half way|half)",
            kinds=["cover"],
            position=50,
        ),
    ],
    "HassClimateSetTemperature": [
        _said(
            "(set|turn|change|put|make) [<the> ]{name} [(up|down) ](to|at) {temperature}[ degrees]",
            "[<the> ]{name} (to|at) {temperature}[ degrees]",
            kinds=["climate"],
        ),
        _said(
            "(set|make|heat|cool|warm|bring) [<the> ]{area} [up |down ]to {temperature}[ degrees]",
            "(make|set) it [to ]{temperature} degrees <in> [<the> ]{area}",
        ),
        _said("(make|set) it [to ]{temperature} degrees", "{temperature} degrees", room=True),
    ],
    "HassFanSetSpeed": [
        _said(
            "(set|turn|put|run) [<the> ]{name}[ speed] [up |down ](to|at) {fan_speed:percentage}[[ ](%|percent)]",
            "[<the> ]{name} (to|at) {fan_speed:percentage}[[ ](%|percent)]",
            kinds=["fan"],
        ),
    ],
    "HassVacuumStart": [
        _said("(start|run|send out) [<the> ]{name}", kinds=["vacuum"]),
        _said(
            "(start|begin) (vacuuming|cleaning|hoovering)",
            "(start|run|send out) [<the> ](vacuum|hoover)[ cleaner]",
            "(vacuum|hoover) [the ](house|home|place|everything|everywhere)",
        ),
    ],
    "HassVacuumReturnToBase": [
        _said(
            "(send|return|bring) [<the> ]{name} (home|back|back home|to (its|the) (base|dock))",
            kinds=["vacuum"],
        ),
    ],
    "HassMediaPause": [
        _said("(pause|stop) [<the> ](music|song|track|playback|playing)"),
        _said("pause [<the> ]{name}", kinds=["media_player"]),
    ],
    "HassMediaUnpause": [
        _said("(continue|resume|unpause) [<the> ](music|song|track|playback|playing)", "play [the ]music"),
        _said("(resume|continue|unpause|play) [<the> ]{name}", kinds=["media_player"]),
    ],
    "HassMediaNext": [_said("(skip|next) [[to ]the ][this |next ](song|track|one)", "skip [this]")],
    "HassMediaPrevious": [_said("[play |go [back] to ][the ](previous|last) (song|track|one)")],
    "HassSetVolume": [
        _said(
            "(set|turn|put) [<the> ]volume [of|on] [<the> ]{name} [up |down ]to {volume:volume_level}[[ ](%|percent)]",
            "(set|turn|put) [<the> ]{name}[ volume] [up |down ]to {volume:volume_level}[[ ](%|percent)]",
            kinds=["media_player"],
        ),
        _said("(set|turn|put) [<the> ]volume [up |down ](to|at) {volume:volume_level}[[ ](%|percent)]"),
    ],
    "HassLightSet": [
        _said(
            "(dim|set|turn|put|change|brighten) [<the> ]{name} [down |up ](to|at) {brightness}[[ ](%|percent)]",
            "[<the> ]{name} (to|at) {brightness}[[ ](%|percent)]",
            "(set|turn|put) [<the> ]{name} brightness (to|at) {brightness}[[ ](%|percent)]",
            kinds=["light"],
        ),
        _said(
            "(set|make|turn|change) [<the> ]{name} [to ]{color}", "[<the> ]{name} {color}", kinds=["light"]
        ),
        _said(
            "(set|make|turn|change) [<the> ]{name} [to ]{color_temperature_names:temperature}",
            kinds=["light"],
        ),
        _said(
            "(dim|set|turn|put) [<the> ]<light> <in> [<the> ]{area} (to|at) {brightness}[[ ](%|percent)]",
            "(dim|set|turn|put) [<the> ]{area} <light> (to|at) {brightness}[[ ](%|percent)]",
            domain="light",
        ),
        _said(
            "(dim|set|turn|put) [<the> ]{area} <light> to half[ brightness]",
            "(dim|set|turn|put) [<the> ]<light> <in> [<the> ]{area} to half[ brightness]",
            domain="light",
            brightness=50,
        ),
        _said("(dim|set|turn|put) [<the> ]{name} to half[ brightness]", kinds=["light"], brightness=50),
    ],
    "EdgeBrighter": [
        _said("(make|turn) [<the> ]{name} (brighter|up)", "brighten [<the> ]{name}", kinds=["light"]),
        _said("make it brighter", "brighter", "more light", room=True),
    ],
    "EdgeDimmer": [
        _said("(make|turn) [<the> ]{name} (darker|dimmer|down)", "dim [<the> ]{name}", kinds=["light"]),
        _said("make it (darker|dimmer)", "(darker|dimmer)", "dim the <light>", room=True),
    ],
    "HassGetState": [
        _said(
            "(did I|have I|has anyone|did we) lock[ed] [<the> ]{name}",
            kinds=["lock"],
            state="locked",
            response="one_yesno",
        ),
        _said(
            "is [<the> ]{name} [still ](running|on|playing|working|going)",
            kinds=[*_SWITCHED["domain"], "vacuum"],
            state="on",
            response="one_yesno",
        ),
        _said(
            "is [<the> ]{name} [still ](open|opened|up)",
            kinds=["cover", "binary_sensor", "valve"],
            state="open",
            response="one_yesno",
        ),
        _said(
            "is [<the> ]{name} [still ](closed|shut|down)",
            kinds=["cover", "binary_sensor", "valve"],
            state="closed",
            response="one_yesno",
        ),
        _said(
            "(what is|what's|how is|tell me) [<the> ][(state|status) (of|for) ][<the> ]{name}",
            response="one",
            kinds=[
                "sensor",
                "binary_sensor",
                "cover",
                "light",
                "switch",
                "fan",
                "lock",
                "climate",
                "vacuum",
                "media_player",
                "number",
                "select",
                "humidifier",
                "valve",
            ],
        ),
        _said(
            "are all [of ][<the> ](doors|locks) locked",
            "is everything locked",
            domain="lock",
            state="locked",
            response="all",
        ),
        _said(
            "(are|is) [there ]any[ <light>| of the <light>] [still ]on <in> [<the> ]{area}",
            domain="light",
            state="on",
            response="any",
        ),
        _said("(are|is) [there ]any[ of the] <light> [still ]on", domain="light", state="on", response="any"),
        _said("(which|what) <light> (are|is) [still ]on", domain="light", state="on", response="which"),
    ],
    "EdgeHumidity": [
        _said("how humid is it <in> [<the> ]{area}", "what (is|'s) [<the> ]humidity <in> [<the> ]{area}"),
    ],
    "HassStartTimer": [
        _said("timer [for ]{timer_minutes:minutes} minute[s]"),
        _said("timer [for ]{timer_seconds:seconds} second[s]"),
        _said(
            "[(set|start|create) [a|the|my] ]timer for {timer_minutes:minutes} minute[s] for [the ]{timer_name:name}",
            "[(set|start|create) [a|the|my] ]timer for {timer_hours:hours} hour[s] for [the ]{timer_name:name}",
        ),
    ],
    "EdgeShowList": [
        _said(
            "(what is|what's|read|show[ me]) [on ][(the|my|our) ][(shopping|grocery) ]list",
            "(what is|what's) on (the|my|our) (shopping|grocery) list",
            "what do I need to buy",
        ),
    ],
    "HassShoppingListAddItem": [
        _said("(put|add) {shopping_list_item:item} (to|on|onto) [<the> |my ](shopping|grocery) list"),
    ],
    "EdgeAlias": [
        _said("call it {alias}"),
        _said("call [<the> ]{name} {alias}"),
    ],
    "EdgeUndo": [_said("undo[ that| it]", "take that back", "revert that")],
}

_DE: dict[str, list[dict[str, Any]]] = {
    "HassTurnOn": [
        _said("alle (Lichter|Lampen) an", domain="light"),
        _said(
            "(starte|aktiviere|beginne) <name>",
            "(mach|mache|schalt|schalte|stell|stelle|dreh|dreht|knips) <name> (an|ein)",
            "(wirf|fahr|fahre) <name> (an|hoch)",
            "<name> (an|ein|anschalten|einschalten|anmachen|starten)",
            kinds=_SWITCHED["domain"],
        ),
        _said("(mach|mache|koch|koche) (einen|ein|etwas) {name}", kinds=["switch"]),
        _said("(mach|mache|koch|koche) [uns ](einen|eine|ein|etwas|eine Tasse) {product:name}"),
        _said(
            "(beleuchte|erleuchte|erhelle) <area>",
            "(ich (brauche|brauch|will|möchte|hätte gern[e])|gib) [etwas |mehr |ein ][Licht|Beleuchtung] <area>",
            "Licht an <area>",
            "Licht <area> (an|ein)",
            "<area> Licht (an|ein)",
            "[<area> ](sieht|sehe|siehst) (man|ich|du) [ja ](nichts|gar nichts|nicht viel)",
            "<area> ist [es ][viel |so ][zu ]dunkel",
            "es ist [viel |so ][zu ]dunkel <area>",
            "mach[e] <area> [das ]Licht an",
            domain="light",
        ),
        _said(
            "(hier ist es|es ist|es ist hier) [viel |so ][zu ]dunkel",
            "ich brauche Licht",
            "Licht (an|ein)",
            "(mach|mache|schalt|schalte) [das ]Licht (an|ein)",
            room=True,
            domain="light",
        ),
        _said(
            "(starte|aktiviere|setze|beginne) [die ][Szene ]{name}",
            "(schalte|schalt|mach) [die ]Szene {name} (ein|an)",
            "[Szene ]{name}",
            kinds=["scene"],
        ),
        _said(
            "(fahr|fahre|zieh|ziehe|lass|lasse) <name> (hoch|rauf|auf|nach oben)",
            "(mach|mache) <name> (auf|hoch|rauf)",
            "öffne <name>",
            "<name> (auf|hoch|öffnen|hochfahren)",
            kinds=["cover", "valve"],
        ),
        *(
            _said(
                f"(mach|mache|fahr|fahre|zieh|ziehe) alle ({words}) (auf|hoch)",
                f"öffne alle ({words})",
                domain="cover",
                device_class=kind,
            )
            for words, kind in _COVERS_DE
        ),
    ],
    "HassTurnOff": [
        *(
            _said(
                f"(mach|mache|fahr|fahre|zieh|ziehe|lass|lasse) alle ({words}) (zu|runter)",
                f"(schließ|schließe) alle ({words})",
                domain="cover",
                device_class=kind,
            )
            for words, kind in _COVERS_DE
        ),
        _said(
            "(mach|mache|schalt|schalte|stell|stelle|dreh|knips) <name> (aus|ab)",
            "(fahr|fahre) <name> (runter|herunter)",
            "<name> (kann|darf|soll) [jetzt ](aus|ausgehen|aus sein)",
            "<name> (aus|ab|ausschalten|abschalten|ausmachen|abstellen)",
            "deaktiviere <name>",
            kinds=_SWITCHED["domain"],
        ),
        _said(
            "<area> Licht aus",
            "Licht aus <area>",
            "Licht <area> aus",
            "mach[e] <area> [das ]Licht aus",
            domain="light",
        ),
        _said("Licht aus", "(mach|mache|schalt|schalte) [das ]Licht aus", room=True, domain="light"),
        _said(
            "(fahr|fahre|zieh|ziehe|lass|lasse) <name> (runter|herunter|zu|nach unten|hinunter)",
            "(mach|mache) <name> (zu|runter)",
            "(schließe|schließ|schliesse) <name>",
            "<name> (zu|runter|schließen)",
            kinds=["cover", "valve"],
        ),
        _said(
            "(mach|mache|schalt|schalte|dreh|drehe) [die ](Heizung|den Thermostat|das Thermostat) <area> (aus|ab)",
            "Heizung <area> aus",
            domain="climate",
        ),
        _said("(mach|mache|schalt|schalte) <name> aus", "<name> aus", kinds=["climate"]),
    ],
    "EdgeEverythingOff": [
        _said(
            "(mach|mache|schalt|schalte) <area> alles aus",
            "(mach|mache|schalt|schalte) alles <area> aus",
            "alles aus <area>",
        ),
    ],
    "EdgeStop": [
        _said(
            "(stoppe|stopp|stop|halte) <name>[ an]",
            "<name> (stopp|stoppen|anhalten)",
            kinds=[*_SWITCHED["domain"], "cover", "valve", "vacuum"],
        ),
    ],
    "EdgeToggle": [_said("(schalte|schalt) <name> um", kinds=_SWITCHED["domain"])],
    "EdgeLock": [
        _said(
            "(schließ|schließe|schliesse|sperr|sperre) <name> (ab|zu)",
            "(verriegle|verriegele|verschließe) <name>",
            "<name> (abschließen|zusperren|verriegeln|absperren)",
            kinds=["lock"],
        ),
        _said(
            "(schließ|schließe|sperr|sperre) alle (Türen|Schlösser) (ab|zu)",
            "(verriegle|verriegele) alle (Türen|Schlösser)",
            "(schließ|schließe) alles ab",
            "alle Türen (abschließen|verriegeln)",
            every=True,
        ),
    ],
    "EdgeUnlock": [
        _said(
            "(schließ|schließe|schliesse|sperr|sperre|mach|mache) <name> auf",
            "(entriegle|entriegele|öffne) <name>",
            "<name> (aufschließen|aufsperren|entriegeln|öffnen)",
            kinds=["lock"],
        ),
    ],
    "HassSetPosition": [
        _said(
            "(stell|stelle|setz|setze|öffne|schließe|fahr|fahre|mach) <name> auf {position}[[ ](%|Prozent)]",
            "<name> auf {position}[[ ](%|Prozent)]",
            kinds=["cover", "valve"],
        ),
        _said(
            "(mach|mache|öffne|fahr|fahre) <name> halb[ auf| zu| hoch| runter]", kinds=["cover"], position=50
        ),
    ],
    "HassClimateSetTemperature": [
        _said(
            "(stell|stelle|setz|setze|dreh|drehe) <name> auf {temperature}[ Grad][ runter| herunter| hoch| ein]",
            "<name> auf {temperature}[ Grad]",
            kinds=["climate"],
        ),
        _said(
            "(stell|stelle|setz|setze|heiz|heize|mach) <area> auf {temperature}[ Grad][ ein]",
            "(mach|mache) es <area> {temperature} Grad[ warm]",
            "(stell|stelle) [die ]Temperatur <area> auf {temperature}[ Grad]",
        ),
        _said(
            "(stell|stelle|setze) [die ]Temperatur auf {temperature}[ Grad]",
            "{temperature} Grad",
            "mach es {temperature} Grad[ warm]",
            room=True,
        ),
    ],
    "HassFanSetSpeed": [
        _said(
            "(stell|stelle|setz|setze|dreh|drehe) <name> auf {fan_speed:percentage}[[ ](%|Prozent)]",
            "(stell|stelle|setz|setze) [die ]Geschwindigkeit [vom|von|des|der] {name} auf {fan_speed:percentage}[[ ](%|Prozent)]",
            "<name> auf {fan_speed:percentage}[[ ](%|Prozent)]",
            kinds=["fan"],
        ),
    ],
    "HassVacuumStart": [
        _said(
            "(starte|schick|schicke) <name>[ los]", "lass <name> (fahren|laufen|saugen|los)", kinds=["vacuum"]
        ),
        _said(
            "(fang|fange) an zu saugen",
            "(starte|beginne) (zu saugen|das Saugen)",
            "saug[e] [das ](Haus|Wohnung|überall|alles)",
        ),
    ],
    "HassVacuumReturnToBase": [
        _said(
            "(schick|schicke|bring) <name> (nach Hause|heim|zurück|zur (Basis|Ladestation|Station))",
            "<name> (nach Hause|heim|zurück[ zur (Basis|Ladestation|Station)]|zur (Basis|Ladestation))",
            kinds=["vacuum"],
        ),
    ],
    "HassMediaPause": [
        _said(
            "(pausiere|stoppe|stopp) [die |den |das ](Musik|Wiedergabe|Lied|Titel)", "Musik (pause|aus|stopp)"
        ),
        _said("pausiere <name>", kinds=["media_player"]),
    ],
    "HassMediaUnpause": [
        _said(
            "(spiel|spiele) [die ]Musik weiter", "setz[e] [die ](Musik|Wiedergabe) fort", "Musik (weiter|an)"
        ),
        _said(
            "setz[e] [die ]Wiedergabe (am|auf dem|auf|vom|von) {name} fort",
            "(spiel|spiele) <name> weiter",
            kinds=["media_player"],
        ),
    ],
    "HassMediaNext": [
        _said(
            "(überspring|überspringe) [das |den |dieses |diesen ](Lied|Titel|Song)",
            "[spiel |spiele ][das |den |der ](nächster|nächsten|nächstes|nächste) (Titel|Lied|Song)",
        )
    ],
    "HassMediaPrevious": [
        _said("[spiel |spiele ][das |den |der ](vorheriger|vorherigen|vorherige|letzten) (Titel|Lied|Song)")
    ],
    "HassSetVolume": [
        _said(
            "(stell|stelle|setz|setze|dreh) [die ]Lautstärke [vom|von|des|der|am] {name} auf {volume:volume_level}[[ ](%|Prozent)]",
            "(stell|stelle) <name>[ Lautstärke] auf {volume:volume_level}[[ ](%|Prozent)]",
            "<name> Lautstärke auf {volume:volume_level}[[ ](%|Prozent)]",
            kinds=["media_player"],
        ),
        _said("(stell|stelle|setz|setze|dreh) [die ]Lautstärke auf {volume:volume_level}[[ ](%|Prozent)]"),
    ],
    "HassMediaPlayerMute": [_said("(schalt|schalte|mach|stell|stelle) <name> stumm", kinds=["media_player"])],
    "HassLightSet": [
        _said(
            "(dimm|dimme|stell|stelle|setz|setze|dreh|mach) <name> auf {brightness}[[ ](%|Prozent)]",
            "<name> auf {brightness}[[ ](%|Prozent)]",
            "[(stell|stelle|setz|setze) ][die ]Helligkeit (vom|von|der|des) {name} auf {brightness}[[ ](%|Prozent)]",
            kinds=["light"],
        ),
        _said(
            "(mach|mache|färbe) <name> {color}",
            "(stell|stelle|setz|setze) <name> auf {color}",
            "<name> {color}",
            "(ändere|ändre|stell|stelle|setze) [die ]Farbe (vom|von|der|des) {name} (auf|zu|in) {color}",
            kinds=["light"],
        ),
        _said(
            "(mach|mache|stell|stelle|setz|setze) <name> [auf ]{color_temperature_names:temperature}",
            kinds=["light"],
        ),
        _said(
            "(dimm|dimme|stell|stelle) [das |die ](Licht|Lichter) <area> auf {brightness}[[ ](%|Prozent)]",
            domain="light",
        ),
        _said(
            "(mach|dimm|dimme|stell) [das |die ](Licht|Lichter) <area> (halb so hell|auf die Hälfte|auf halbe Helligkeit|auf halb)",
            domain="light",
            brightness=50,
        ),
    ],
    "EdgeBrighter": [
        _said("(mach|mache) <name> heller", kinds=["light"]),
        _said("(mach|mache) (es|das Licht) heller", "heller", room=True),
    ],
    "EdgeDimmer": [
        _said("(mach|mache) <name> dunkler", "(dimm|dimme) <name>", kinds=["light"]),
        _said("(mach|mache) (es|das Licht) dunkler", "dunkler", "(dimm|dimme) das Licht", room=True),
    ],
    "HassGetState": [
        _said(
            "(habe|hab) ich <name> (abgeschlossen|zugesperrt|abgesperrt|verriegelt)",
            "ist <name> (abgeschlossen|zugesperrt|abgesperrt|verriegelt|zu)",
            kinds=["lock"],
            state="locked",
            response="one_yesno",
        ),
        _said(
            "läuft <name>",
            "ist <name> (an|eingeschaltet|angeschaltet)",
            kinds=[*_SWITCHED["domain"], "vacuum"],
            state="on",
            response="one_yesno",
        ),
        _said(
            "ist <name> (offen|auf|geöffnet)",
            kinds=["cover", "binary_sensor", "valve"],
            state="open",
            response="one_yesno",
        ),
        _said(
            "ist <name> (zu|geschlossen)",
            kinds=["cover", "binary_sensor", "valve"],
            state="closed",
            response="one_yesno",
        ),
        _said(
            "(was|wie|wie hoch) ist [der |die |das ][(Status|Zustand) (vom|von|der|des) ]<name>",
            response="one",
            kinds=[
                "sensor",
                "binary_sensor",
                "cover",
                "light",
                "switch",
                "fan",
                "lock",
                "climate",
                "vacuum",
                "media_player",
                "number",
                "select",
                "humidifier",
                "valve",
            ],
        ),
        _said(
            "sind alle (Türen|Schlösser) (abgeschlossen|verriegelt|zu)",
            "ist alles abgeschlossen",
            domain="lock",
            state="locked",
            response="all",
        ),
        _said(
            "ist <area> Licht an",
            "(ist|sind) [<area> ](Licht|Lichter|Lampen) [<area> ]an",
            domain="light",
            state="on",
            response="any",
        ),
        _said("(ist|sind) [irgendwo ](Licht|Lichter|Lampen) an", domain="light", state="on", response="any"),
        _said("welche (Lichter|Lampen) sind an", domain="light", state="on", response="which"),
    ],
    "EdgeHumidity": [_said("wie feucht ist es <area>", "wie [hoch ]ist die Luftfeuchtigkeit <area>")],
    "EdgeShowList": [
        _said(
            "was (steht|ist) auf [der |meiner |unserer ](Einkaufsliste|Liste)",
            "(zeig|zeige|lies) [die |meine ]Einkaufsliste[ vor]",
            "was muss ich [einkaufen|kaufen]",
        ),
    ],
    "HassShoppingListAddItem": [
        _said(
            "(setz|setze|schreib|schreibe|pack|packe) {shopping_list_item:item} auf [die |meine |unsere ]Einkaufsliste"
        ),
    ],
    "HassCancelTimer": [
        _said("brich [den |meinen ]Timer ab", "(stoppe|stopp|lösch|lösche) [den |meinen ]Timer")
    ],
    "EdgeAlias": [_said("nenn[e] (es|sie|ihn|das) {alias}"), _said("nenn[e] <name> {alias}")],
    "EdgeUndo": [_said("mach[e] das rückgängig", "rückgängig", "nimm das zurück")],
}

OWN_TEMPLATES = {"en": _EN, "de": _DE}
