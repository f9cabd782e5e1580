"""Recordings: decoded where nothing can be reached, and handed on in pieces that end in a pause.

What is said in them is found out elsewhere (`documents.listening`): an engine for speech needs files,
threads and time that nothing in here is given.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from edge_assistant.documents.block import RECORDING_SECONDS, SOUND_RATE_HZ, SOUND_SECONDS, About, Sound
from edge_assistant.documents.refusal import Refusal

SHORTEST_SECONDS = 15.0
"""A piece ends in the quietest moment after this."""

_MOMENT_SAMPLES = SOUND_RATE_HZ // 5
_STEP_SAMPLES = SOUND_RATE_HZ // 50
_LOOKED_AT = 4
"""Loudness is told from every fourth sample."""

_SAMPLE_BYTES = 2
_MICROSECONDS = 1_000_000


def read_sound(file: BinaryIO) -> Iterator[About | Sound]:
    """Decode a recording. Raises `Refusal`: DOCUMENT_BROKEN, DOCUMENT_NO_SOUND, DOCUMENT_TOO_LARGE."""
    try:
        import av
    except ImportError:
        raise Refusal(
            "DOCUMENT_NO_EARS", "recordings can't be understood here: install the extra `voice`"
        ) from None
    try:
        container = av.open(file, mode="r", metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError):
        raise Refusal("DOCUMENT_BROKEN", "this recording is damaged and can't be opened") from None
    with container:
        if not container.streams.audio:
            raise Refusal("DOCUMENT_NO_SOUND", "there is no sound in it")
        if (container.duration or 0) / _MICROSECONDS > RECORDING_SECONDS:
            raise too_long()
        yield About(kind="audio", title=" ".join(container.metadata.get("title", "").split()))
        yield from pieces(_decoded(container, av))


def too_long() -> Refusal:
    """Return the refusal of a recording that takes too long to understand."""
    hours = RECORDING_SECONDS // 3600
    return Refusal("DOCUMENT_TOO_LARGE", f"a recording may last {hours} hours: cut it")


def _decoded(container: Any, av: Any) -> Iterator[bytes]:
    """Yield its sound; what is damaged in the middle is left out."""
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1  # a closed-in process can start none
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE_HZ)
    for frame in itertools.chain(_frames(container, stream, av), [None]):
        try:
            sounds = resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            continue  # another form in mid-stream
        for sound in sounds:
            yield bytes(sound.planes[0])[: sound.samples * _SAMPLE_BYTES]


def _frames(container: Any, stream: Any, av: Any) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            return
        except av.InvalidDataError:
            continue
        except (av.FFmpegError, OSError):
            return
        for frame in frames:
            frame.pts = None  # gaps and jumps of its clock are no silence
            yield frame


def pieces(sound: Iterable[bytes]) -> Iterator[Sound]:
    """Cut sound where it is quietest, so that hardly a word is cut.

    Raises `Refusal` DOCUMENT_TOO_LARGE, DOCUMENT_NO_SOUND.
    """
    held, begin = bytearray(), 0
    longest = int(SOUND_SECONDS * SOUND_RATE_HZ)
    for pcm in sound:
        held += pcm
        while len(held) >= longest * _SAMPLE_BYTES:
            end = quietest(held[: longest * _SAMPLE_BYTES])
            yield Sound(pcm=bytes(held[: end * _SAMPLE_BYTES]), second=begin // SOUND_RATE_HZ)
            del held[: end * _SAMPLE_BYTES]
            begin += end
        if begin > RECORDING_SECONDS * SOUND_RATE_HZ:
            raise too_long()
    if held:
        yield Sound(pcm=bytes(held), second=begin // SOUND_RATE_HZ)
    elif not begin:
        raise Refusal("DOCUMENT_NO_SOUND", "there is no sound in it")


def quietest(pcm: bytes | bytearray) -> int:
    """Return the sample in the middle of the quietest moment after `SHORTEST_SECONDS`."""
    samples = array("h", bytes(pcm))
    first = int(SHORTEST_SECONDS * SOUND_RATE_HZ)
    steps = range(first, len(samples) - _MOMENT_SAMPLES, _STEP_SAMPLES)
    loudness = [sum(map(abs, samples[at : at + _STEP_SAMPLES : _LOOKED_AT])) for at in steps]
    width = _MOMENT_SAMPLES // _STEP_SAMPLES
    moments = [sum(loudness[at : at + width]) for at in range(len(loudness) - width)]
    best = min(range(len(moments)), key=lambda at: (moments[at], -at))
    return first + best * _STEP_SAMPLES + _MOMENT_SAMPLES // 2
