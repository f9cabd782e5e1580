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
            return Outcome(text=f"That is on the list {arguments.list} already.")
        undo = Call("remove_from_list", {"items": added, "list": arguments.list})
        return Outcome(text=f"Added {', '.join(added)} to the list {arguments.list}.", undo=undo)


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
            return Outcome(text=f"That is not on the list {arguments.list}.")
        undo = Call("add_to_list", {"items": removed, "list": arguments.list})
        return Outcome(text=f"Took {', '.join(removed)} off the list {arguments.list}.", undo=undo)


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
        return Outcome(text=f"On the list {shown.name}: {', '.join(shown.items) or 'nothing'}.")


class ClearListTool:
    """Empties a list: a deletion, which is asked about."""

    name = "clear_list"
    description = "Empty a whole list."
    arguments = WhichList

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def effect(self, arguments: WhichList, occasion: Occasion) -> Effect:
        """Say that it deletes what others may have written."""
        del occasion
        return Effect(reach="act", risk="confirm", summary=f"empty the list {arguments.list}")

    async def run(self, arguments: WhichList, occasion: Occasion) -> Outcome:
        """Empty it."""
        gone = await self._lists.clear(occasion.principal, arguments.list)
        undo = Call("add_to_list", {"items": gone[:50], "list": arguments.list}) if gone else None
        return Outcome(text=f"The list {arguments.list} is empty now.", undo=undo)
