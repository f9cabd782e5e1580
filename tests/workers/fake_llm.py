"""Speaks the frames of the `llm` worker without a model; what is asked says how it behaves.

The last message is `count N` with, after it, `die K` (kill -9 after K tokens unless a continuation
went past them), `die-always`, `hang K` (stands still in a step), `refuse`. `model_path` says how it
loads: "", "missing", "slow", "crash".
"""

from __future__ import annotations

import os
import signal
import time

import msgspec

from edge_assistant.llm.protocol import Completion, Generation
from edge_assistant.llm.wire import (
    Advanced,
    Cancel,
    Command,
    Emitted,
    Failed,
    Finished,
    Forget,
    Forgotten,
    Generate,
    LlamaSettings,
    Measured,
    Ready,
)
from edge_assistant.workers.child import Channel, ChannelClosed

PAUSE_SECONDS = 0.005


def main(channel: Channel, settings: bytes) -> None:
    try:
        _load(channel, msgspec.msgpack.decode(settings, type=LlamaSettings).model_path)
    except ChannelClosed:
        return


def _load(channel: Channel, how: str) -> None:
    if how == "crash":
        os._exit(9)
    if how == "missing":
        channel.send(Failed("", "MODEL_MISSING", "there is no such model; run `edge-assistant models pull`"))
        while True:
            channel.receive(None)
    if how == "slow":
        time.sleep(0.5)
    channel.send(Ready(model="fake", context=512, parallel=4, threads=1, load_ms=1))
    _serve(channel)


def _serve(channel: Channel) -> None:
    decoder = msgspec.msgpack.Decoder(Command)
    running: dict[str, tuple[Generation, list[int]]] = {}
    while True:
        for payload in channel.receive(PAUSE_SECONDS if running else None):
            match decoder.decode(payload):
                case Generate(generation):
                    running[generation.id] = generation, list(generation.continuation)
                    channel.send(Advanced(generation.id, 1, 2))
                case Cancel(identity) if identity in running:
                    _finish(channel, running, identity, "cancelled")
                case Forget(conversation):
                    channel.send(Forgotten(conversation))
        for identity, (generation, tokens) in list(running.items()):
            _step(channel, running, identity, generation.messages[-1].content.split(), tokens)


def _step(channel: Channel, running, identity: str, words: list[str], tokens: list[int]) -> None:
    known = len(running[identity][0].continuation)
    options = dict(zip(words[0::2], words[1::2], strict=False))
    if "refuse" in words:
        channel.send(Failed(identity, "SCHEMA_BAD", "no"))
        del running[identity]
    elif len(tokens) >= int(options["count"]):
        _finish(channel, running, identity, "stop")
    elif ("die" in options and len(tokens) == int(options["die"]) > known) or (
        "die-always" in words and len(tokens) - known == 3
    ):
        os.kill(os.getpid(), signal.SIGKILL)
    elif "hang" in options and len(tokens) == int(options["hang"]) > known:
        channel.begin_step()
        time.sleep(60)
    else:
        tokens.append(len(tokens))
        channel.send(Emitted(identity, f"w{tokens[-1]} ", (tokens[-1],), time.monotonic()))


def _finish(channel: Channel, running, identity: str, reason: str) -> None:
    tokens = tuple(running.pop(identity)[1])
    channel.send(
        Finished(
            identity,
            Completion(
                reason=reason,
                token_ids=tokens,
                prompt_tokens=7,
                cached_tokens=3,
                completion_tokens=len(tokens),
                total_ms=1.0,
            ),
        )
    )
    channel.send(Measured(300.0, 120.0))
