"""What is said in a recording: by the engine that understands speech, in a process of its own.

That process is started for one recording and ended after it: microphone and speaker are none of its
business, and whoever talks to the device meanwhile is understood first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import msgspec

from edge_assistant.documents.block import RECORDING_SECONDS, SOUND_RATE_HZ, Block, Sound
from edge_assistant.documents.chunking import sentences_of
from edge_assistant.errors import DocumentError, SpeechError
from edge_assistant.speech.client import SPEECH_TARGET, SpeechClient
from edge_assistant.speech.wire import Event, Failed, Ready, SpeechSettings
from edge_assistant.workers.supervisor import WorkerSpec

NICE = 10
MEMORY_LIMIT_MB = 900
START_SECONDS = 120.0
FRAME_BYTES = 1 << 16
REMOTE = "openai"
"""An engine that would send the recording elsewhere."""

Understand = Callable[[bytes], Awaitable[str]]


class Listener(Protocol):
    """Understands recordings."""

    def open(self) -> AbstractAsyncContextManager[Understand]:
        """Give what turns sound (mono s16le at `SOUND_RATE_HZ`) into text; raises `DocumentError`."""
        ...


class SpeechListener:
    """A speech worker for one recording at a time."""

    def __init__(self, settings: Callable[[], SpeechSettings]) -> None:
        """Take the engines that `settings()` names; those that are elsewhere are not asked."""
        self._wanted = settings

    def settings(self) -> SpeechSettings:
        """Return what is asked of the worker."""
        settings = self._wanted()
        return msgspec.structs.replace(
            settings,
            input="off",
            output="off",
            wake_words=(),
            stop_words=(),
            transcribers=tuple(each for each in settings.transcribers if each != REMOTE),
            synthesizers=(),
            noise_suppression=False,
            remote_key="",
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Understand]:
        """Start the worker, end it afterwards; raises `EdgeError`."""
        settings = self.settings()
        spec = WorkerSpec(
            name="listen", target=SPEECH_TARGET, settings=settings, nice=NICE,
            memory_limit_mb=MEMORY_LIMIT_MB,
        )  # fmt: skip
        client = SpeechClient(settings, worker_spec=spec)
        news: asyncio.Queue[Event] = asyncio.Queue()
        client.subscribe(news.put_nowait)

        async def understand(pcm: bytes) -> str:
            try:
                *_, text = [each async for each in client.transcribe(_framed(pcm), SOUND_RATE_HZ)]
            except SpeechError as error:
                raise _deaf(error.message) from error
            return text

        try:
            await client.start()
            await _ready(news)
            yield understand
        finally:
            await client.stop()


async def blocks_of(sounds: AsyncIterator[Sound], understand: Understand) -> list[Block]:
    """Return what is said in a recording, each block with the second it begins at.

    Raises `DocumentError` DOCUMENT_NO_SPEECH, DOCUMENT_NO_EARS, DOCUMENT_TOO_LARGE.
    """
    blocks: list[Block] = []
    left = RECORDING_SECONDS * SOUND_RATE_HZ * 2
    async for sound in sounds:
        if left < 0:  # whatever the reader made of its length
            raise DocumentError("DOCUMENT_TOO_LARGE", "there is too much sound in it: cut it")
        left -= len(sound.pcm)
        text = without_echoes(await understand(sound.pcm))
        if any(map(str.isalnum, text)):
            blocks.append(Block(text=text, second=sound.second))
    if not blocks:
        raise DocumentError("DOCUMENT_NO_SPEECH", "no word in it was understood")
    return blocks


def without_echoes(text: str) -> str:
    """Return the sentences of a piece, each once: a small Whisper may say one over and over."""
    return " ".join(dict.fromkeys(sentences_of(text)))


async def _ready(news: asyncio.Queue[Event]) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not isinstance(event := await news.get(), Ready):
                if isinstance(event, Failed):
                    raise _deaf(event.message)
    except TimeoutError:
        raise _deaf("the engine does not start") from None


async def _framed(pcm: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(pcm), FRAME_BYTES):
        yield pcm[start : start + FRAME_BYTES]


def _deaf(why: str) -> DocumentError:
    return DocumentError("DOCUMENT_NO_EARS", f"recordings can't be understood here: {why}"[:300])
