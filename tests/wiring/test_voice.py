"""What is asked of a device that was installed without it is said, and stops nothing else."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

from edge_assistant.config import Config, Paths
from edge_assistant.config.schema import VoiceSettings
from edge_assistant.ops.notices import Notices
from edge_assistant.ops.preferences import Preferences
from edge_assistant.wiring.care import Relief
from edge_assistant.wiring.voice import UNAVAILABLE, start_voice


async def test_a_voice_without_its_libraries_is_a_notice_and_no_end(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "edge_assistant.speech.client", None)
    paths, notices = Paths(state=tmp_path, models=tmp_path), Notices()
    async with AsyncExitStack() as stack:
        preferences = Preferences(Config(voice=VoiceSettings(enabled=True)), tmp_path / "settings.toml")
        voice = await start_voice(stack, preferences, paths, None, None, relief=Relief(), notices=notices)
    assert voice is None
    assert [notice.code for notice in notices.shown] == [UNAVAILABLE]
