"""A fleet from end to end: broker, registrar, commands, and a real daemon."""

from __future__ import annotations

import json
import re

from tests.daemon import run_cli


def test_a_daemon_enrols_is_approved_reports_obeys_and_is_cut_off(operator, make_daemon):
    token = operator.cli("claim", "--serial", "b-1", "--name", "kitchen", "--group", "bench").strip()
    daemon = make_daemon(**operator.settings("b-1", token))
    daemon.wait_until(lambda: operator.device("kitchen").get("state") == "pending", 60)
    operator.cli("approve", "kitchen")
    daemon.wait_until(lambda: operator.device("kitchen").get("health") == "ok", 60)
    device = operator.device("kitchen")
    assert (device["state"], device["online"], device["groups"]) == ("enrolled", True, ["bench"])
    assert device["disk_free_mb"] > 0
    assert "smollm2-135m-instruct-q4_1" in device["models"]
    assert re.search(r"kitchen +enrolled +yes +ok", operator.cli("status", "--group", "bench"))
    assert token.partition(":")[2] not in daemon.log

    changed = json.loads(operator.cli("desire", "assistant.persona=concise", "--probation", "0", "--json"))
    daemon.wait_until(lambda: operator.campaign(changed["id"])["phase"] == "done", 60)
    assert operator.device("kitchen")["drift"] == {}
    harm = json.loads(operator.cli("desire", "llm.remote_model=nobody", "--group", "bench", "--json"))
    daemon.wait_until(lambda: operator.campaign(harm["id"])["phase"] == "halted", 60)
    assert "MODEL_REMOTE_UNREACHABLE" in operator.cli("campaigns")
    daemon.wait_until(lambda: operator.device("kitchen")["drift"] == {}, 60)
    assert daemon.order(type="status")["model"]["name"] == "elsewhere"

    daemon.restart()
    daemon.wait_until(lambda: operator.device("kitchen")["online"], 60)
    assert "concise" in (daemon.paths.state / "settings.json").read_text()
    operator.cli("revoke", "kitchen")
    seen = operator.device("kitchen")
    assert (seen["state"], seen["online"]) == ("revoked", False)
    daemon.restart()
    assert operator.device("kitchen")["last_contact"] == seen["last_contact"]
    assert "FLEET_DEVICE_UNKNOWN" in run_cli("fleet", "revoke", "attic", environ=operator.environ).stderr
