"""The worker as a command: what it needs, and what it tells those who run it."""

from __future__ import annotations

import subprocess
import sys

import aiohttp
import yaml

from edge_assistant.cloud.health import serving_health
from tests.cloud.conftest import a_device, a_worker, generation, text_of
from tests.daemon import run_cli
from tests.mosquitto import free_port
from tests.test_repository import ROOT

HEAVY = {"apsw", "cryptography", "llama_cpp", "numpy", "psutil", "prometheus_client", "zeroconf"}


def test_it_loads_no_library_that_a_small_image_lacks():
    code = (
        "import sys, edge_assistant.cli, edge_assistant.cli.cloud_worker, edge_assistant.cloud.worker,"
        "edge_assistant.cloud.health, edge_assistant.llm.openai_remote;"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "aiomqtt" in loaded
    assert HEAVY & set(loaded.split()) == set()


def test_what_is_said_wrongly_is_refused_in_one_line():
    for words, told in (
        (("--parallel", "0"), "1 to 10000"),
        (("--health", "nowhere"), "HOST:PORT"),
        (("--broker", "http://x"), "mqtt"),
    ):
        given = {"--broker": "mqtt://127.0.0.1:1", "--upstream": "http://127.0.0.1:1", "--model": "m"}
        given[words[0]] = words[1]
        done = run_cli("cloud-worker", *(word for pair in given.items() for word in pair), timeout=60)
        assert done.returncode == 2, done
        assert told in done.stderr.splitlines()[-1]


async def test_health_and_metrics_tell_how_it_is(guarded, upstream):
    address = f"127.0.0.1:{free_port()}"
    async with (
        a_worker(guarded.with_password("cloud-worker"), upstream) as worker,
        serving_health(worker, address),
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"http://{address}/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        async with a_device(guarded.with_password("kitchen")) as device:
            await text_of(device.generate(generation("hello")))
        async with session.get(f"http://{address}/metrics") as response:
            figures = dict(line.split() for line in (await response.text()).splitlines())
        assert figures["edge_assistant_cloud_worker_taken_total"] == "1"
        worker._connection._client = None  # its broker is gone
        async with session.get(f"http://{address}/healthz") as response:
            assert response.status == 503


def test_the_compose_file_names_what_the_worker_takes():
    compose = yaml.safe_load((ROOT / "provisioning/cloud/compose.yaml").read_text())
    command = compose["services"]["worker"]["command"]
    words = command[command.index("cloud-worker") :].strip().rstrip('"').split()
    known = run_cli("cloud-worker", "--help").stdout
    assert [word for word in words if word.startswith("--") and word not in known] == []
    assert set(compose["services"]["worker"]["secrets"]) == set(compose["secrets"])
