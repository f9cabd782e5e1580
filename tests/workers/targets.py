"""Targets of worker processes in tests; each behaves or misbehaves in one way."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from edge_assistant.workers.child import Channel, ChannelClosed


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    path: str = ""
    number: int = 0


class Echo(msgspec.Struct, frozen=True, tag="echo"):
    number: int
    text: str = ""


class Do(msgspec.Struct, frozen=True, tag="do"):
    what: str


Message = Echo | Do


def serve(channel: Channel, settings: bytes) -> None:
    """Echo what comes; do what is asked; leave a note on the way out."""
    wanted = msgspec.msgpack.decode(settings, type=Settings)
    decoder = msgspec.msgpack.Decoder(Message)
    try:
        while True:
            for payload in channel.receive(None):
                message = decoder.decode(payload)
                if isinstance(message, Echo):
                    channel.send(message)
                else:
                    DEEDS[message.what](channel)
    except ChannelClosed:
        if wanted.path:
            Path(wanted.path).write_text("left in order")


def crash_at_start(channel: Channel, settings: bytes) -> None:
    os._exit(7)


def ignore_stop(channel: Channel, settings: bytes) -> None:
    while True:
        time.sleep(60)


def measure_receive(channel: Channel, settings: bytes) -> None:
    """Say how many nanoseconds an empty `receive(0)` takes, then serve."""
    began = time.perf_counter_ns()
    for _ in range(2000):
        channel.receive(0)
    channel.send(Echo((time.perf_counter_ns() - began) // 2000))
    serve(channel, settings)


def _hang(channel: Channel) -> None:
    channel.begin_step()
    time.sleep(60)
    channel.end_step()


def _grow(channel: Channel) -> None:
    channel.kept = bytearray(b"x") * (200 << 20)


def _pause(channel: Channel) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _babble(channel: Channel) -> None:
    channel._connection.sendall(b"\xff" * 64)


def _lie(channel: Channel) -> None:
    channel.send(Do("a daemon only says this"))


def _print(channel: Channel) -> None:
    print("to stdout")  # goes nowhere
    sys.stderr.write("INFO worker: a note\n" + "x" * 5000 + "\nsecond line\n")
    sys.stderr.flush()
    channel.send(Echo(0, "printed"))


def _describe(channel: Channel) -> None:
    import resource

    core = resource.getrlimit(resource.RLIMIT_CORE)
    score = Path("/proc/self/oom_score_adj").read_text().strip()
    secrets = [key for key in os.environ if "SECRET" in key]
    text = f"core={core[0]} oom={score} cpus={len(os.sched_getaffinity(0))} nice={os.nice(0)} {secrets}"
    channel.send(Echo(os.getpid(), text))


DEEDS = {
    "hang": _hang,
    "grow": _grow,
    "pause": _pause,
    "babble": _babble,
    "lie": _lie,
    "print": _print,
    "describe": _describe,
    "die": lambda _channel: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda _channel: os._exit(3),
    "close": lambda channel: (channel._connection.shutdown(2), time.sleep(60)),
}
