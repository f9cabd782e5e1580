"""One thing that is said into a page: its sound becomes text, the text a turn, the answer sound again.

The page sends `audio.start`, binary frames (16 kHz mono s16le) and `audio.end`; it gets `transcript.partial`
and `transcript.final`, the events of the turn, and `audio.begin` before binary frames that begin with the
number of their stream (4 bytes, little-endian). A frame with nothing behind the number ends the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from edge_assistant.assistant.events import TextDelta, TurnFinished
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError, SpeechError, UsageError
from edge_assistant.frontends.protocol import ProtocolError
from edge_assistant.frontends.web.ports import Voice
from edge_assistant.speech.clause import ClauseSplitter
from edge_assistant.speech.protocol import SAMPLE_RATE_HZ, Speech

LONGEST_SECONDS = 60.0
"""What one person says at once; the worker takes no more either."""

_MOST_BYTES = round(LONGEST_SECONDS * SAMPLE_RATE_HZ * 2)


class TranscriptPartial(msgspec.Struct, frozen=True, tag="transcript.partial", tag_field="type"):
    """What was understood so far."""

    id: str
    text: str


class TranscriptFinal(msgspec.Struct, frozen=True, tag="transcript.final", tag_field="type"):
    """What was said; it is asked now."""

    id: str
    text: str


class AudioBegin(msgspec.Struct, frozen=True, tag="audio.begin", tag_field="type"):
    """Binary frames of this stream follow: mono s16le at `rate`."""

    id: str
    stream: int
    rate: int


Said = TranscriptPartial | TranscriptFinal | AudioBegin
Ask = Callable[[str, str, str], Awaitable[Turn]]
"""Asks a text (id, session, text) and watches the answer."""

Send = Callable[[Said], Awaitable[None]]
SendBinary = Callable[[bytes], Awaitable[None]]
Refuse = Callable[[EdgeError, str], Awaitable[None]]


class Talks:
    """What is said into one page, one thing at a time, and the answers that are spoken back."""

    def __init__(
        self, voice: Voice | None, ask: Ask, send: Send, send_binary: SendBinary, refuse: Refuse
    ) -> None:
        """Use `voice`, None when the device has none; what goes wrong later is told to `refuse`."""
        self._voice = voice
        self._ask = ask
        self._send = send
        self._send_binary = send_binary
        self._refuse = refuse
        self._upload: Upload | None = None
        """What is being said; None while nobody speaks."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._streams = itertools.count(1)

    @property
    def uploading(self) -> str:
        """The id of what is being said; empty while nobody speaks."""
        return self._upload.id if self._upload else ""

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What runs, to be cancelled when the page goes."""
        return list(self._tasks.values())

    def start(self, identity: str, session: str) -> None:
        """Open an upload; raises `UsageError` VOICE_DISABLED, AUDIO_ALREADY_OPEN."""
        if self._voice is None:
            raise UsageError("VOICE_DISABLED", "this device has no voice: set voice.enabled = true")
        if self._upload is not None or identity in self._tasks:
            raise UsageError("AUDIO_ALREADY_OPEN", "one thing at a time can be said into a page")
        self._upload = upload = Upload(identity, session)
        work = self._talk(upload, self._voice)
        self._tasks[identity] = task = asyncio.create_task(work, name=f"web-talk-{identity}")
        task.add_done_callback(lambda _: self._tasks.pop(identity, None))

    def feed(self, pcm: bytes) -> None:
        """Take more sound; raises PROTOCOL_UNEXPECTED_BINARY, AUDIO_TOO_LONG."""
        upload = self._upload
        if upload is None:
            raise ProtocolError("PROTOCOL_UNEXPECTED_BINARY", "send JSON text frames: no upload is open")
        try:
            upload.feed(pcm)
        except EdgeError:
            self.stop(upload.id)
            raise

    def end(self, identity: str) -> None:
        """Take that all was said; raises `UsageError` AUDIO_NOT_OPEN."""
        if self.uploading != identity or self._upload is None:
            raise UsageError("AUDIO_NOT_OPEN", "nothing of that id is being said")
        self._upload.end()
        self._upload = None

    def stop(self, identity: str) -> bool:
        """Drop what is being said, or fall silent; return whether there was anything."""
        if self.uploading == identity:
            self._upload = None
        task = self._tasks.get(identity)
        return task is not None and task.cancel()

    async def _talk(self, upload: Upload, voice: Voice) -> None:
        try:
            text = await upload.understand(voice.speech, self._send)
            turn = await self._ask(upload.id, upload.session, text)
            await speak(turn, voice, next(self._streams), send=self._send, send_binary=self._send_binary)
        except ConnectionError:
            pass  # the page is gone; its turn goes on
        except EdgeError as error:
            await self._refuse(error, upload.id)
        finally:
            if self._upload is upload:
                self._upload = None


class Upload:
    """Sound that a page is sending."""

    def __init__(self, identity: str, session: str) -> None:
        self.id = identity
        self.session = session
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._bytes = 0

    def feed(self, pcm: bytes) -> None:
        """Take more; raises `SpeechError` AUDIO_TOO_LONG."""
        self._bytes += len(pcm)
        if self._bytes > _MOST_BYTES:
            raise SpeechError("AUDIO_TOO_LONG", f"at most {LONGEST_SECONDS:g} s can be said at once")
        self._pieces.put_nowait(pcm)

    def end(self) -> None:
        """Take that it is complete."""
        self._pieces.put_nowait(None)

    async def understand(self, speech: Speech, send: Send) -> str:
        """Return what was said, telling what is understood meanwhile; raises `SpeechError`."""
        text = ""
        async for partial in speech.transcribe(self._sound(), SAMPLE_RATE_HZ):
            if partial != text:
                await send(TranscriptPartial(self.id, partial))
            text = partial
        if not text.strip():
            raise SpeechError("NOTHING_HEARD", "no word was understood: hold the button while you speak")
        await send(TranscriptFinal(self.id, text))
        return text

    async def _sound(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


async def speak(turn: Turn, voice: Voice, stream: int, *, send: Send, send_binary: SendBinary) -> None:
    """Say the answer of a turn as it is written; what can't be said is still to be read."""
    head = struct.pack("<I", stream)
    begun = False
    with contextlib.suppress(SpeechError):
        async for text in _clauses(turn, voice.language):
            async for sound in voice.speech.synthesize(text):
                if not begun:
                    begun = True
                    await send(AudioBegin(turn.id, stream, sound.sample_rate_hz))
                await send_binary(head + sound.pcm)
    if begun:
        await send_binary(head)


async def _clauses(turn: Turn, language: str) -> AsyncGenerator[str, None]:
    splitter, written = ClauseSplitter(language), False
    async for event in turn.events():
        match event:
            case TextDelta(text=text):
                written = True
                for chunk in splitter.feed(text):
                    yield chunk.text
            case TurnFinished(text=text) if not written:
                for chunk in splitter.feed(text):
                    yield chunk.text
            case _:
                continue
    for chunk in splitter.finish():
        yield chunk.text
