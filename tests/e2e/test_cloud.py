"""The cloud from end to end: a guarded broker, a worker, and this project's own API as the model's server."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mqtt.test_provisioning import Guarded


@pytest.fixture
def guarded(tmp_path):
    guarded = Guarded(tmp_path / "broker")
    guarded.set_up("--cloud-worker", "kitchen", "bedroom")
    guarded.process.kill()
    guarded.process.start()
    yield guarded
    guarded.process.kill()


@pytest.fixture
def device(guarded, make_daemon, starter_model):
    """A device whose cloud is its own API: nothing in between knows that."""
    return make_daemon(
        EDGE_ASSISTANT__CLOUD__ENABLED="on",
        EDGE_ASSISTANT__CLOUD__URL=f"mqtts://localhost:{guarded.port}",
        EDGE_ASSISTANT__CLOUD__USERNAME="kitchen",
        EDGE_ASSISTANT__CLOUD__DEVICE="kitchen",
        EDGE_ASSISTANT__CLOUD__CA_FILE=str(guarded.folder / "ca.crt"),
        EDGE_ASSISTANT__CLOUD__CONSENT="asked",
        EDGE_ASSISTANT__LLM__MAX_TOKENS="24",
        EDGE_ASSISTANT_SECRET_CLOUD_PASSWORD=guarded.password("kitchen"),
    )


@pytest.fixture
def worker(guarded, device):
    token = device.cli("pair", "--token", "cloud").stdout.split()[-1]
    command = (
        *(sys.executable, "-m", "edge_assistant", "cloud-worker", "--username", "cloud-worker"),
        *("--broker", f"mqtts://localhost:{guarded.port}", "--ca-file", str(guarded.folder / "ca.crt")),
        *("--upstream", device.url, "--model", "smollm2-135m-instruct-q4_1"),
    )
    secrets = {
        "EDGE_ASSISTANT_SECRET_CLOUD_WORKER_PASSWORD": guarded.password("cloud-worker"),
        "EDGE_ASSISTANT_SECRET_CLOUD_UPSTREAM_KEY": token,
    }
    process = subprocess.Popen(command, env={**os.environ, **secrets}, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_question_is_answered_by_the_cloud_when_asked_for_and_here_when_it_is_gone(device, worker, guarded):
    device.wait_for_model()
    device.wait_until(lambda: "connected to the MQTT broker" in device.log, 30)
    answer = device.ask("Say hello.")
    assert answer["route"]["rung"] == "local"

    def from_cloud():
        last = device.ask("Ask the cloud: say hello.")
        return last["route"]["rung"] == "cloud" and last["text"]

    device.wait_until(from_cloud, 60)
    shown = device.cli("ask", "Ask the cloud: say hello.")
    assert "(from the cloud: " in shown.stderr
    assert "you asked for the cloud" in shown.stderr
    private = device.ask("Ask the cloud: what is good for me? I am allergic to nuts.")
    assert private["route"]["rung"] == "local"
    guarded.process.kill()
    device.wait_until(lambda: "can't reach the broker" in device.log, 30)
    alone = device.ask("Ask the cloud: say hello.")
    assert (alone["type"], alone["route"]["rung"]) == ("turn.finished", "local")
    assert "can't be reached" in alone["route"]["reason"]
