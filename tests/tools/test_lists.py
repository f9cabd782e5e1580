from __future__ import annotations

import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.list_tools import AddToListTool, ClearListTool, RemoveFromListTool, ShowListTool
from edge_assistant.tools.lists import MOST_ITEMS, Lists
from edge_assistant.tools.protocol import Call
from tests.tools.conftest import ANN, GUEST, HOUSEHOLD, OWNER, occasion


@pytest.fixture
def lists(database):
    return Lists(database)


async def test_those_who_live_here_share_lists_and_guests_have_their_own(lists):
    await lists.add(HOUSEHOLD, "shopping", ["Milk"])
    await lists.add(OWNER, "Shopping list", ["milk", "eggs"])
    await lists.add(GUEST, "shopping", ["guide book"])
    assert (await lists.show(ANN, "SHOPPING")).items == ("Milk", "eggs")
    assert (await lists.show(GUEST, "shopping")).items == ("guide book",)
    assert (await lists.add(ANN, "Einkaufsliste", ["Brot"])) == ["Brot"]
    assert (await lists.show(ANN, "einkauf")).items == ("Brot",)


async def test_items_are_taken_off_whatever_their_case(lists):
    await lists.add(OWNER, "shopping", ["Milk", "Eggs"])
    assert await lists.remove(OWNER, "shopping", ["milk", "butter"]) == ["Milk"]
    with pytest.raises(EdgeError, match="LIST_NOT_FOUND"):
        await lists.remove(OWNER, "wishes", ["milk"])


@pytest.mark.parametrize("text", ["", "   ", "\0\x07", "x" * 201])
async def test_a_senseless_item_is_refused(lists, text):
    with pytest.raises(EdgeError, match="LIST_BAD"):
        await lists.add(OWNER, "shopping", [text])


async def test_a_list_has_an_end(lists):
    await lists.add(OWNER, "shopping", [f"thing {n}" for n in range(MOST_ITEMS)])
    with pytest.raises(EdgeError, match="LISTS_FULL"):
        await lists.add(OWNER, "shopping", ["one more"])


async def test_what_is_put_on_is_taken_back_and_emptying_is_asked_about(lists, ledger):
    tools = (AddToListTool(lists), RemoveFromListTool(lists), ShowListTool(lists), ClearListTool(lists))
    actions = Actions(tools, ledger)
    await actions.do(Call("add_to_list", {"items": ["milk", "eggs"]}), occasion())
    await actions.do(Call("remove_from_list", {"items": ["milk"]}), occasion())
    await actions.undo(occasion())
    shown = await actions.do(Call("show_list"), occasion())
    assert shown.text == "On the list shopping: eggs, milk."
    asked = await actions.do(Call("clear_list"), occasion())
    assert asked.text == "Shall I empty the list shopping?"
    await actions.answer(asked.asked.id, OWNER, approve=True)
    assert await lists.all(OWNER) == []
