from __future__ import annotations

import asyncio
import json
import stat
import sys
from types import SimpleNamespace

import pytest

from edge_assistant.catalog.catalog import load_catalog
from edge_assistant.catalog.pulls import Pulls
from edge_assistant.config import Saved, read_saved
from tests.frontends.web.conftest import until

STARTER = "smollm2-135m-instruct-q4_1"
PULLER = """
import sys, time
for done in range(0, 101, 20):
    print('{"file": "x.gguf", "done": %d, "total": 100}' % done, flush=True)
    time.sleep(float(sys.argv[1]))
if sys.argv[2] == "fail":
    sys.exit("error: MODEL_DISK_FULL: no room left")
"""


@pytest.fixture
async def owner(site):
    return await site.sign_in()


async def patch(client, **body):
    async with client.patch("/api/settings", json=body) as response:
        return response.status, await response.json()


async def test_what_is_chosen_is_kept_privately_and_told_to_everybody(owner, tools, tmp_path):
    changes = []

    async def note(old, new):
        changes.append((old.assistant.name, new.assistant.name))

    tools.preferences.on_change(note)
    status, body = await patch(
        owner, values={"assistant.name": "Ada", "assistant.persona": "teacher"}, set_up=True
    )
    assert (status, body["values"]["assistant.name"], body["set_up"]) == (200, "Ada", True)
    assert {"default", "concise", "teacher", "playful"} <= {each["id"] for each in body["personas"]}
    assert changes == [("Nabu", "Ada")]
    kept = tmp_path / "settings.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read_saved(kept) == Saved(
        set_up=True, choices={"assistant.name": "Ada", "assistant.persona": "teacher"}
    )
    async with owner.get("/api/status") as response:
        body = await response.json()
    assert (body["assistant"], body["set_up"]) == ("Ada", True)
    assert body["vitals"]["memory_bytes"] > 0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"assistant.name": ""}, "CONFIG_BAD_VALUE"),
        ({"assistant.name": "a\nb"}, "CONFIG_BAD_VALUE"),
        ({"assistant.name": "Ada", "assistant.persona": "nobody"}, "CONFIG_BAD_VALUE"),
        ({"assistant.language": "<script>"}, "CONFIG_BAD_VALUE"),
        ({"assistant.instructions": "x" * 2001}, "CONFIG_BAD_VALUE"),
        ({"web.host": "0.0.0.0"}, "SETTING_UNKNOWN"),
        ({"llm.model": "/etc/passwd"}, "MODEL_UNKNOWN"),
        ({"llm.model": "../x.gguf"}, "MODEL_UNKNOWN"),
        ({"llm.model": "nothing"}, "MODEL_UNKNOWN"),
        ({"llm.model": "gemma-3-270m-q4_k_m"}, "MODEL_MISSING"),
        ({"assistant.name": 7}, "WEB_BAD_FIELD"),
    ],
)
async def test_what_can_not_be_is_refused_and_nothing_changes(owner, tools, tmp_path, values, code):
    before = dict(tools.preferences.values)
    _, body = await patch(owner, values=values)
    assert body["error"]["code"] == code
    assert tools.preferences.values == before
    assert not (tmp_path / "settings.json").exists()


async def test_what_the_environment_sets_can_not_be_changed_here(owner, tools):
    tools.preferences.locked = frozenset({"assistant.name"})
    status, body = await patch(owner, values={"assistant.name": "Ada"})
    assert (status, body["error"]["code"]) == (400, "SETTING_LOCKED")
    async with owner.get("/api/settings") as response:
        assert (await response.json())["locked"] == ["assistant.name"]


async def test_a_model_that_does_not_fit_into_memory_is_refused(owner, tools, monkeypatch):
    model = load_catalog().model("llama-3.2-3b-instruct-q4_k_m")
    folder = model.folder(tools.models)
    folder.mkdir(parents=True)
    (folder / model.files[0].name).write_bytes(b"GGUF" + bytes(100))
    memory = SimpleNamespace(total=2**30, available=2**29)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    _, body = await patch(owner, values={"llm.model": model.id})
    assert body["error"]["code"] == "MODEL_TOO_LARGE"
    async with owner.get("/api/models") as response:
        listed = {each["id"]: each for each in (await response.json())["models"]}
    assert listed[model.id]["fit"] == "too_large"
    assert listed[STARTER]["fit"] == "good"


async def test_a_recovery_code_is_shown_once_it_is_made(owner):
    async with owner.post("/api/recovery-code") as response:
        assert (response.status, await response.json()) == (201, {"code": "AAAAA-BBBBB"})


async def pulls_of(client, *phases):
    """Return what the page is told of a pull, up to one of these phases."""
    told = []
    async with client.get("/api/models/events") as response:
        while not told or told[-1]["phase"] not in phases:
            line = (await response.content.readline()).decode()
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: ")))
    return told


@pytest.fixture
def pull_with(tools):
    def use(*arguments):
        tools.pulls._command = (sys.executable, "-c", PULLER, *arguments)

    return use


async def test_a_pull_tells_how_far_it_is_to_its_end(owner, pull_with):
    pull_with("0.3", "well")
    async with owner.post(f"/api/models/{STARTER}/pull") as response:
        assert response.status == 202
    told = await pulls_of(owner, "done")
    steps = [each["done"] for each in told if each["total"]]
    assert len(set(steps)) > 2
    assert steps == sorted(steps)
    assert told[-1]["done"] == told[-1]["total"] == 100


async def test_a_pull_that_fails_says_why(owner, pull_with):
    pull_with("0", "fail")
    async with owner.post(f"/api/models/{STARTER}/pull"):
        pass
    last = (await pulls_of(owner, "failed"))[-1]
    assert (last["code"], last["message"]) == ("MODEL_DISK_FULL", "no room left")


async def test_one_model_is_pulled_at_a_time_and_can_be_stopped(owner, pull_with):
    pull_with("60", "well")
    async with owner.post(f"/api/models/{STARTER}/pull"):
        pass
    async with owner.post("/api/models/gemma-3-270m-q4_k_m/pull") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (503, "MODEL_PULLING")
    await asyncio.wait_for(pulls_of(owner, "running"), 60)
    async with owner.delete(f"/api/models/{STARTER}/pull") as response:
        assert response.status == 204
    assert (await pulls_of(owner, "stopped"))[-1]["model"] == STARTER


async def test_a_pull_ends_with_the_daemon(pull_with, tools):
    pull_with("60", "well")
    tools.pulls.start(STARTER)
    await until(lambda: tools.pulls._process is not None)
    process = tools.pulls._process
    await tools.pulls.close()
    assert process.returncode is not None


async def test_the_real_command_tells_progress_as_json(tmp_path, models_folder):
    pulls = Pulls(environ={"EDGE_ASSISTANT_MODELS": str(models_folder), "STATE_DIRECTORY": str(tmp_path)})
    pulls.start(STARTER)
    async with asyncio.timeout(60):
        async for pull in pulls.events():
            if pull.phase != "running":
                break
    await pulls.close()
    assert pull.phase == "done", pull.message


async def test_a_notice_stands_in_the_status_until_its_owner_has_read_it(site, owner, tools):
    read = []
    tools.notices.show("STORE_RESTORED", "the store was damaged", lambda: read.append(True))
    tools.notices.show("BACKUP_FAILED", "no room")
    async with owner.get("/api/status") as response:
        notices = (await response.json())["notices"]
    assert [(each["code"], each["dismissible"]) for each in notices] == [
        ("STORE_RESTORED", True),
        ("BACKUP_FAILED", False),
    ]
    for code, status in (("BACKUP_FAILED", 404), ("STORE_RESTORED", 204), ("STORE_RESTORED", 404)):
        async with owner.delete(f"/api/notices/{code}") as response:
            assert response.status == status
    assert read == [True]
    assert [each.code for each in tools.notices.shown] == ["BACKUP_FAILED"]
