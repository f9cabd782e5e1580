"""Lists as tools."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_assistant.tools.lists import LONGEST, Lists
from edge_assistant.tools.protocol import Call, Effect, Occasion, Outcome

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST // 2)]
Item = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]


class OnList(msgspec.Struct, frozen=True):
    """Items and their list."""

    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=50)]
    list: Name = "shopping"


class WhichList(msgspec.Struct, frozen=True):
    """A list."""

    list: Name = "shopping"


_SAID = {
    "en": {
        "on": "That is on the list {} already.", "off": "That is not on the list {}.",
        "added": "Added {1} to the list {0}.", "taken": "Took {1} off the list {0}.",
        "shown": "On the list {}: {}.", "nothing": "nothing",
        "empty": "empty the list {}", "emptied": "The list {} is empty now.",
    },
    "de": {
        "on": "Das steht schon auf der Liste {}.", "off": "Das steht nicht auf der Liste {}.",
        "added": "Auf der Liste {0} steht jetzt {1}.", "taken": "Von der Liste {0} genommen: {1}.",
        "shown": "Auf der Liste {}: {}.", "nothing": "nichts",
        "empty": "die Liste {} leeren", "emptied": "Die Liste {} ist jetzt leer.",
    },
}  # fmt: skip


def _say(key: str, occasion: Occasion, *values: str) -> str:
    return _SAID["de" if occasion.language.startswith("de") else "en"][key].format(*values)


class AddToListTool:
    """Puts items on a list."""

    name = "add_to_list"
    description = "Put items on a list, such as the shopping list."
    arguments = OnList

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def effect(self, arguments: OnList, occasion: Occasion) -> Effect:
        """Say that it is kept here and can be taken off."""
        del occasion
        return Effect(reach="note", summary=f"put {', '.join(arguments.items)} on the list {arguments.list}")

    async def run(self, arguments: OnList, occasion: Occasion) -> Outcome:
        """Add what isn't on it yet."""
        added = await self._lists.add(occasion.principal, arguments.list, list(arguments.items))
        if not added:
            return Outcome(text=_say("on", occasion, arguments.list))
        undo = Call("remove_from_list", {"items": added, "list": arguments.list})
        return Outcome(text=_say("added", occasion, arguments.list, ", ".join(added)), undo=undo)


class RemoveFromListTool:
    """Takes items off a list."""

    name = "remove_from_list"
    description = "Take items off a list."
    arguments = OnList

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def effect(self, arguments: OnList, occasion: Occasion) -> Effect:
        """Say that it can be put back."""
        del occasion
        return Effect(
            reach="note", summary=f"take {', '.join(arguments.items)} off the list {arguments.list}"
        )

    async def run(self, arguments: OnList, occasion: Occasion) -> Outcome:
        """Remove what is on it."""
        removed = await self._lists.remove(occasion.principal, arguments.list, list(arguments.items))
        if not removed:
            return Outcome(text=_say("off", occasion, arguments.list))
        undo = Call("add_to_list", {"items": removed, "list": arguments.list})
        return Outcome(text=_say("taken", occasion, arguments.list, ", ".join(removed)), undo=undo)


class ShowListTool:
    """Tells what is on a list."""

    name = "show_list"
    description = "Tell what is on a list."
    arguments = WhichList

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def effect(self, arguments: WhichList, occasion: Occasion) -> Effect:
        """Say that it changes nothing."""
        del occasion
        return Effect(summary=f"show the list {arguments.list}")

    async def run(self, arguments: WhichList, occasion: Occasion) -> Outcome:
        """Return its items."""
        shown = await self._lists.show(occasion.principal, arguments.list)
        items = ", ".join(shown.items) or _say("nothing", occasion)
        return Outcome(text=_say("shown", occasion, shown.name, items))


class ClearListTool:
    """Empties a list: a deletion, which is asked about."""

    name = "clear_list"
    description = "Empty a whole list."
    arguments = WhichList

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def effect(self, arguments: WhichList, occasion: Occasion) -> Effect:
        """Say that it deletes what others may have written."""
        return Effect(reach="act", risk="confirm", summary=_say("empty", occasion, arguments.list))

    async def run(self, arguments: WhichList, occasion: Occasion) -> Outcome:
        """Empty it."""
        gone = await self._lists.clear(occasion.principal, arguments.list)
        undo = Call("add_to_list", {"items": gone[:50], "list": arguments.list}) if gone else None
        return Outcome(text=_say("emptied", occasion, arguments.list), undo=undo)
