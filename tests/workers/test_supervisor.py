"""A supervised child process, with real processes and real signals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time

import msgspec
import psutil
import pytest

from edge_assistant.errors import WorkerError
from edge_assistant.workers import process, supervisor
from edge_assistant.workers.backoff import RestartPolicy
from tests.workers.conftest import CHECKOUT
from tests.workers.targets import Do, Echo


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_thousand_messages_come_back_in_order(watch):
    watched = watch()
    await watched.worker.start()
    await watched.ready()
    for number in range(1000):
        watched.worker.send(Echo(number, "text"))
    await watched.until(lambda: len(watched.replies) == 1000)
    assert [reply.number for reply in watched.replies] == list(range(1000))


async def test_a_large_message_survives_both_ways(watch):
    watched = watch()
    await watched.worker.start()
    await watched.ready()
    watched.worker.send(Echo(1, "x" * (20 << 20)))
    await watched.until(lambda: bool(watched.replies))
    assert len(watched.replies[0].text) == 20 << 20


async def test_state_tells_process_and_memory(watch):
    watched = watch(heartbeat_seconds=0.05)
    await watched.worker.start()
    await watched.ready()
    async with asyncio.timeout(60):
        while not watched.worker.state.rss_bytes:  # it comes with a heartbeat
            await asyncio.sleep(0.01)
    state = watched.worker.state
    assert psutil.Process(state.pid).is_running()
    assert state.rss_bytes > 1 << 20
    assert state.detail == ""
    assert state.restarts == 0


async def test_sending_to_a_worker_that_is_not_running_is_refused(watch):
    watched = watch()
    with pytest.raises(WorkerError) as refusal:
        watched.worker.send(Echo(1))
    assert refusal.value.code == "WORKER_GONE"


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("die", "killed by SIGKILL"),
        ("exit", "exited with 3"),
        ("close", "closed its connection"),
        ("babble", "can't be read"),
        ("lie", "can't be read"),
    ],
)
async def test_a_child_that_dies_or_sends_nonsense_is_started_again(watch, deed, why):
    watched = watch()
    await watched.worker.start()
    await watched.ready()
    pid = watched.worker.state.pid
    watched.worker.send(Do(deed))
    await watched.ready(times=2)
    assert watched.phases == ["starting", "ready", "restarting", "starting", "ready"]
    assert why in watched.states[2].detail
    assert watched.worker.state.restarts == 1
    assert gone(pid)
    watched.worker.send(Echo(5))
    await watched.until(lambda: watched.replies == [Echo(5)])


@pytest.mark.parametrize(
    ("deed", "spec", "why"),
    [
        ("pause", {"heartbeat_timeout_seconds": 1.5}, "no sign of life"),
        ("hang", {"step_timeout_seconds": 0.5}, "one step took"),
        ("grow", {"memory_limit_mb": 150}, "its limit is 150 MB"),
    ],
)
async def test_a_child_that_stands_still_or_grows_is_killed_and_started_again(watch, deed, spec, why):
    watched = watch(heartbeat_seconds=0.1, **spec)
    await watched.worker.start()
    await watched.ready()
    pid = watched.worker.state.pid
    watched.worker.send(Do(deed))
    await watched.ready(times=2)
    assert why in watched.states[2].detail
    assert gone(pid)


async def test_a_child_that_is_never_set_up_is_killed(watch, tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT}:{tmp_path}")
    watched = watch(start_timeout_seconds=0.5)
    watched.worker._spec = msgspec.structs.replace(watched.worker._spec, target="endless:main")
    await watched.worker.start()
    await watched.until(lambda: "restarting" in watched.phases)
    assert "not set up within 0.5 s" in watched.states[1].detail


async def test_a_target_that_does_not_exist_is_tried_again_and_its_traceback_logged(watch, caplog):
    watched = watch("no_such_function")
    await watched.worker.start()
    await watched.until(lambda: watched.phases.count("restarting") == 2)
    assert "exited with 1" in watched.states[1].detail
    assert "no_such_function" in caplog.text


async def test_restarts_of_a_child_that_dies_at_start_come_ever_slower(watch):
    watched = watch("crash_at_start", restart=RestartPolicy(first_seconds=0.1, longest_seconds=0.8))
    times: list[float] = []
    seen = watched.worker._on_state
    watched.worker._on_state = lambda state: (times.append(time.monotonic()), seen(state))
    await watched.worker.start()
    await watched.until(lambda: watched.worker.state.restarts == 5)
    waits = [
        after - before
        for before, after, state in zip(times, times[1:], watched.states, strict=False)
        if state.phase == "restarting"
    ]
    assert all(wait > 0.1 * 2**number * 0.5 - 0.01 for number, wait in enumerate(waits[:3]))
    assert waits[4] >= 0.39


async def test_a_daemon_that_stood_still_does_not_blame_its_child(watch):
    watched = watch(heartbeat_timeout_seconds=3)
    await watched.worker.start()
    await watched.ready()
    time.sleep(7)
    await asyncio.sleep(2.5)
    assert watched.phases == ["starting", "ready"]


async def test_stop_lets_the_child_clean_up(watch, tmp_path):
    note = tmp_path / "note"
    watched = watch(path=str(note))
    await watched.worker.start()
    await watched.ready()
    pid = watched.worker.state.pid
    await watched.worker.stop(60)
    assert note.read_text() == "left in order"
    assert gone(pid)
    assert watched.phases[-1] == "stopped"
    assert watched.worker.state.pid is None


async def test_sigterm_lets_the_child_clean_up(watch, tmp_path):
    note = tmp_path / "note"
    watched = watch(path=str(note))
    await watched.worker.start()
    await watched.ready()
    os.kill(watched.worker.state.pid, signal.SIGTERM)
    await watched.ready(times=2)
    assert note.read_text() == "left in order"
    assert "exited with 0" in watched.states[2].detail


async def test_stop_kills_a_child_that_does_not_leave(watch):
    watched = watch("ignore_stop")
    await watched.worker.start()
    await watched.ready()
    pid = watched.worker.state.pid
    began = time.monotonic()
    await watched.worker.stop(0.3)
    assert time.monotonic() - began >= 0.3
    assert gone(pid)


async def test_stop_works_while_the_child_starts_and_while_it_waits_for_a_restart(watch):
    for function, seconds in (("serve", 0.0), ("serve", 0.05), ("crash_at_start", 1.0)):
        watched = watch(function, restart=RestartPolicy(first_seconds=60, longest_seconds=60))
        await watched.worker.start()
        await asyncio.sleep(seconds)
        await watched.worker.stop(5)
        assert watched.phases[-1] == "stopped"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]


async def test_a_stopped_worker_can_be_started_again(watch):
    watched = watch()
    for times in (1, 2):
        await watched.worker.start()
        await watched.ready(times)
        await watched.worker.stop(5)


async def test_a_child_of_another_version_is_not_tried_again(watch, monkeypatch):
    monkeypatch.setattr("edge_assistant.workers.supervisor.PROTOCOL_VERSION", 99)
    monkeypatch.setattr(process, "PROTOCOL_VERSION", 99)
    watched = watch()
    await watched.worker.start()
    await watched.until(lambda: watched.phases[-1:] == ["failed"])
    assert "restart the daemon" in watched.worker.state.detail


async def test_a_fault_in_a_consumer_of_messages_does_not_end_the_worker(watch, caplog):
    watched = watch()
    seen = watched.worker._on_message

    def fail_once(reply: Echo) -> None:
        seen(reply)
        if reply.number == 0:
            raise RuntimeError("consumer")

    watched.worker._on_message = fail_once
    await watched.worker.start()
    await watched.ready()
    for number in range(2):
        watched.worker.send(Echo(number))
    await watched.until(lambda: len(watched.replies) == 2)
    assert watched.phases == ["starting", "ready"]
    assert "could not be handled" in caplog.text


async def test_too_much_for_a_child_that_does_not_read_is_refused(watch):
    watched = watch("ignore_stop")
    await watched.worker.start()
    await watched.ready()

    def flood() -> None:
        for number in range(30):
            watched.worker.send(Echo(number, "x" * (1 << 20)))

    with pytest.raises(WorkerError) as refusal:
        flood()
    assert refusal.value.code == "WORKER_BUSY"
    assert refusal.value.retry_after


async def test_what_a_child_writes_to_stderr_is_logged_in_short_lines(watch, caplog):
    caplog.set_level(logging.INFO)
    watched = watch()
    await watched.worker.start()
    await watched.ready()
    watched.worker.send(Do("print"))
    await watched.until(lambda: bool(watched.replies))
    await watched.worker.stop(5)
    lines = {record.getMessage(): record.levelno for record in caplog.records}
    assert lines["test: INFO worker: a note"] == logging.INFO
    assert lines["test: second line"] == logging.WARNING
    assert lines["test: " + "x" * 500] == logging.WARNING
    assert "to stdout" not in caplog.text


async def test_a_child_leaves_no_core_dies_first_and_gets_no_secrets(watch, monkeypatch):
    monkeypatch.setenv("EDGE_ASSISTANT_SECRET_LLM_API_KEY", "hidden")
    watched = watch(cores=1, nice=3)
    await watched.worker.start()
    await watched.ready()
    watched.worker.send(Do("describe"))
    await watched.until(lambda: bool(watched.replies))
    assert watched.replies[0].text == f"core=0 oom=500 cpus=1 nice={os.nice(0) + 3} []"


async def test_an_empty_poll_is_cheap_enough_for_a_decode_loop(watch):
    watched = watch("measure_receive")
    await watched.worker.start()
    await watched.until(lambda: bool(watched.replies))
    assert watched.replies[0].number < 1_000_000  # the figure itself is a benchmark's business


PARENT = """
import asyncio
from tests.workers.targets import Settings, Echo
from edge_assistant.workers.supervisor import Worker, WorkerSpec

async def main():
    spec = WorkerSpec(name="orphan", target="tests.workers.targets:ignore_stop", settings=Settings())
    tell = lambda state: state.pid and print(state.pid, flush=True)
    worker = Worker(spec, Echo, lambda message: None, tell)
    await worker.start()
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_no_child_survives_a_daemon_that_was_killed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    deadline = time.monotonic() + 60
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(pid)


async def test_a_worker_without_its_supervisor_is_noticed(watch):
    watched = watch()
    assert watched.worker.attended(time.monotonic()), "before its start it needs none"
    await watched.worker.start()
    await watched.ready()
    assert watched.worker in supervisor.workers()
    assert watched.worker.attended(time.monotonic())
    assert not watched.worker.attended(time.monotonic() + 2 * supervisor.UNATTENDED_SECONDS)
    watched.worker._task.cancel()
    await asyncio.wait([watched.worker._task])
    assert not watched.worker.attended(time.monotonic())
