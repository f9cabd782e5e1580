"""The tools that every device has."""

from __future__ import annotations

from edge_assistant.tools.calculator import Calculate, Convert
from edge_assistant.tools.list_tools import AddToListTool, ClearListTool, RemoveFromListTool, ShowListTool
from edge_assistant.tools.lists import Lists
from edge_assistant.tools.protocol import Tool
from edge_assistant.tools.timer_tools import (
    CancelTimerTool,
    ChangeTimerTool,
    ListTimersTool,
    RemindTool,
    RestoreTimersTool,
    SetAlarmTool,
    SetTimerTool,
)
from edge_assistant.tools.timers import Timers


def everyday_tools(timers: Timers, lists: Lists) -> list[Tool]:
    """Return timers, alarms, reminders, lists, sums and units."""
    return [
        SetTimerTool(timers), SetAlarmTool(timers), RemindTool(timers), ListTimersTool(timers),
        CancelTimerTool(timers), ChangeTimerTool(timers), RestoreTimersTool(timers), AddToListTool(lists),
        RemoveFromListTool(lists), ShowListTool(lists), ClearListTool(lists), Calculate(), Convert(),
    ]  # fmt: skip
