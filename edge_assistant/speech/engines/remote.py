"""Transcription and speech by a server with OpenAI's API; only when the configuration names one."""

from __future__ import annotations

import http.client
import io
import json
import urllib.error
import urllib.request
import uuid
import wave
from collections.abc import Iterator

from edge_assistant.errors import SpeechError
from edge_assistant.speech.engines.espeak import read_wave
from edge_assistant.speech.protocol import SAMPLE_RATE_HZ, Sound, Woken

_TIMEOUT_SECONDS = 15
_MOST_BYTES = 16 << 20


class RemoteTranscriber:
    """Sends each utterance, when it is over, to `URL/audio/transcriptions`."""

    name = "openai"
    streaming = False

    def __init__(self, url: str, model: str, key: str, language: str = "en") -> None:
        """Prepare for the server at the base address `url`; raises `SpeechError` ENGINE_MISSING."""
        self._url = _endpoint(url, model, "transcriptions")
        language = language.split("-", maxsplit=1)[0]
        self._fields = {"model": model, "language": language, "response_format": "json"}
        self._key = key

    def open(self, woken: Woken | None = None) -> RemoteHearing:
        """Begin an utterance; its text alone tells whether that was the wake word."""
        del woken
        return RemoteHearing(self)

    def send(self, pcm: bytes) -> str:
        """Return the text of mono s16le at 16 kHz; raises `SpeechError` TRANSCRIPTION_FAILED."""
        boundary = uuid.uuid4().hex
        body = _multipart(boundary, self._fields, _wave(pcm))
        kind = f"multipart/form-data; boundary={boundary}"
        try:
            answer = _post(self._url, body, kind, self._key)
            return str(json.loads(answer)["text"]).strip()
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            message = f"the transcription server did not answer ({_why(error)})"
            raise SpeechError("TRANSCRIPTION_FAILED", message) from error


class RemoteHearing:
    """Collects one utterance; silence costs no request."""

    unfinished = False
    """Only the text tells."""

    def __init__(self, transcriber: RemoteTranscriber) -> None:
        self._transcriber = transcriber
        self._pieces: list[bytes] = []

    def feed(self, pcm: bytes) -> str | None:
        """Keep more sound."""
        self._pieces.append(pcm)
        return None

    def text(self) -> str:
        """Return what the server understood so far."""
        return self._transcriber.send(b"".join(self._pieces)) if self._pieces else ""


class RemoteSynthesizer:
    """Has each piece of text spoken by `URL/audio/speech`."""

    name = "openai"

    def __init__(self, url: str, model: str, key: str) -> None:
        """Prepare for the server at the base address `url`; raises `SpeechError` ENGINE_MISSING."""
        self._url = _endpoint(url, model, "speech")
        self._model = model
        self._key = key

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Yield the sound of `text`; raises `SpeechError` SYNTHESIS_FAILED."""
        wanted = {"model": self._model, "input": text, "voice": voice or "alloy", "speed": speed}
        body = json.dumps({**wanted, "response_format": "wav"}).encode()
        try:
            yield read_wave(_post(self._url, body, "application/json", self._key))
        except (OSError, http.client.HTTPException, ValueError, EOFError, wave.Error) as error:
            message = f"the speech server did not answer ({_why(error)})"
            raise SpeechError("SYNTHESIS_FAILED", message) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Speech goes to the configured server and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
        return


_OPENER = urllib.request.build_opener(_NoRedirects)


def _endpoint(url: str, model: str, what: str) -> str:
    if not url.startswith(("http://", "https://")) or not model:
        message = "set voice.remote_url and voice.remote_model for the engine `openai`"
        raise SpeechError("ENGINE_MISSING", message)
    return f"{url.rstrip('/').removesuffix('/v1')}/v1/audio/{what}"


def _post(url: str, body: bytes, kind: str, key: str) -> bytes:
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked by _endpoint
    with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
        answer: bytes = response.read(_MOST_BYTES)
        return answer


def _why(error: Exception) -> str:
    return f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__


def _wave(pcm: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)
    return buffer.getvalue()


def _multipart(boundary: str, fields: dict[str, str], sound: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="speech.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    return "".join(parts).encode() + head.encode() + sound + f"\r\n--{boundary}--\r\n".encode()
