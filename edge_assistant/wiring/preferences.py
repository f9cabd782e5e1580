"""What is chosen on the page takes effect without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.request import OWNER
from edge_assistant.config import Config, Paths
from edge_assistant.llm.switched import SwitchedModel
from edge_assistant.ops.preferences import Preferences, differences
from edge_assistant.store.audit import AuditLog
from edge_assistant.wiring.care import Relief
from edge_assistant.wiring.model import build_model

if TYPE_CHECKING:
    from edge_assistant.wiring.cloud import Cloud


def keep_preferences(
    config: Config,
    paths: Paths,
    assistant: Assistant,
    *,
    model: SwitchedModel,
    audit: AuditLog,
    relief: Relief,
    cloud: Cloud | None,
) -> Preferences:
    """Let what is chosen on the page take effect without a restart."""
    preferences = Preferences(config, paths.settings)

    async def carry_out(old: Config, new: Config) -> None:
        assistant.configure(new)
        if cloud is not None:
            cloud.configure(new)
        await audit.record("configuration", OWNER.id, dict.fromkeys(differences(old, new), True))
        if new.llm != old.llm:
            model.begin_switch(build_model(relief.fitting(new), paths))

    preferences.on_change(carry_out)
    return preferences
