"""What the cloud's parts make of the configuration."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack

import msgspec
import pytest

from edge_assistant.config import Config
from edge_assistant.config.schema import CloudSettings
from edge_assistant.errors import EdgeError
from edge_assistant.llm.protocol import Generation, Message
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.audit import AuditLog
from edge_assistant.store.database import Database
from edge_assistant.wiring.cloud import start_cloud
from tests.mosquitto import free_port


async def test_without_consent_nothing_can_be_asked_whoever_decided_that_it_may(tmp_path):
    database = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    never = Config(cloud=CloudSettings(enabled=True, url=f"mqtt://127.0.0.1:{free_port()}"))
    asked = msgspec.structs.replace(never, cloud=msgspec.structs.replace(never.cloud, consent="asked"))
    async with AsyncExitStack() as stack:
        cloud = await start_cloud(stack, never, database, Conversations(database), AuditLog(database))
        codes = []
        for config in (never, asked, never):
            cloud.configure(config)
            with pytest.raises(EdgeError) as refused:
                async for _ in cloud.model.generate(Generation(id="g", messages=(Message("user", "Hi"),))):
                    pass
            codes.append(refused.value.code)
    await database.close()
    assert codes == ["CLOUD_NO_CONSENT", "CLOUD_OFFLINE", "CLOUD_NO_CONSENT"]
