"""Engines that stand in for each other: a server, espeak-ng, and what happens when one fails."""

from __future__ import annotations

import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from edge_assistant.bench.voice.speech import in_noise, join, quiet
from edge_assistant.errors import SpeechError
from edge_assistant.speech.engines.espeak import EspeakSynthesizer
from edge_assistant.speech.engines.noise import WebrtcSuppressor
from edge_assistant.speech.engines.registry import Lazy
from edge_assistant.speech.engines.remote import RemoteSynthesizer, RemoteTranscriber
from edge_assistant.speech.fallback import FallbackSynthesizer, FallbackTranscriber
from tests.hearing import Samples, sounds_like

SAID = "Turn on the light in the kitchen."


class Server:
    """A server with the two calls of OpenAI's API, and what it was asked."""

    def __init__(self) -> None:
        self.answer = b""
        self.status = 200
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name is the library's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                if outer.status == 0:
                    self.wfile.write(b"this is no HTTP\r\n\r\n")
                    return
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.answer)))
                if outer.status in {301, 302, 307}:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def a_wave(*, channels: int = 1, rate_hz: int = 22_050) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"\1\0" * 1_000 * channels)
    return buffer.getvalue()


def missing() -> object:
    raise SpeechError("ENGINE_MISSING", "it is not installed")


def lazy(engine: object | Callable[[], object]) -> Lazy:
    load = engine if callable(engine) else lambda: engine
    return Lazy("transcriber", "one", load, lambda _state: None)


def test_a_server_is_sent_the_sound_with_the_key_and_its_text_is_taken(server: Server) -> None:
    server.answer = json.dumps({"text": f" {SAID} "}).encode()
    hearing = RemoteTranscriber(f"{server.url}/v1", "whisper-1", "secret", "en-GB").open()
    assert hearing.text() == "", "silence costs no request"
    hearing.feed(b"\1\0" * 1_600)
    assert hearing.text() == SAID
    ((path, headers, body),) = server.requests
    assert path == "/v1/audio/transcriptions"
    assert headers["Authorization"] == "Bearer secret"
    assert b"RIFF" in body
    assert b'name="language"\r\n\r\nen\r\n' in body


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, b"{}"), (200, b"{}"), (200, b"[1]"), (200, b"\xff"), (302, b""), (0, b"")],
)
def test_whatever_a_server_answers_the_next_engine_understands(
    server: Server, whisper: object, spoken: Callable[[str], Samples], status: int, answer: bytes
) -> None:
    server.status, server.answer = status, answer
    remote = RemoteTranscriber(server.url, "whisper-1", "")
    hearing = FallbackTranscriber([lazy(missing), lazy(remote), lazy(whisper)]).open()
    sound = spoken(SAID)
    for half in np.array_split(sound, 2):
        hearing.feed(half.tobytes())
    assert sounds_like(hearing.text(), SAID)
    assert len(server.requests) == 1, "a redirect is not followed"


def test_with_no_engine_left_the_last_reason_is_told() -> None:
    hearing = FallbackTranscriber([lazy(missing)]).open()
    hearing.feed(b"\1\0")
    with pytest.raises(SpeechError, match="not installed"):
        hearing.text()


def test_a_server_speaks(server: Server) -> None:
    server.answer = a_wave()
    (sound,) = RemoteSynthesizer(server.url, "tts-1", "").speak("Hello.", speed=1.25)
    assert (sound.sample_rate_hz, len(sound.pcm)) == (22_050, 2_000)
    assert json.loads(server.requests[0][2]) == {
        "model": "tts-1", "input": "Hello.", "voice": "alloy", "speed": 1.25, "response_format": "wav",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "answer"),
    [(503, b""), (200, b"no sound"), (200, a_wave(channels=2)), (200, a_wave(rate_hz=1)), (0, b"")],
)
def test_whatever_a_server_sends_as_sound_another_voice_speaks(
    server: Server, status: int, answer: bytes
) -> None:
    server.status, server.answer = status, answer
    voices = FallbackSynthesizer(
        [lazy(RemoteSynthesizer(server.url, "tts-1", "")), lazy(EspeakSynthesizer())]
    )
    (sound,) = voices.speak("Hello.")
    assert len(sound.pcm) > sound.sample_rate_hz / 2


def test_steady_noise_is_taken_out_and_speech_stays(spoken: Callable[[str], Samples]) -> None:
    sound = join([quiet(3.0), spoken(SAID)])
    noisy = in_noise(sound, "white", 10)
    cleaner = WebrtcSuppressor()
    clean = np.frombuffer(
        b"".join(cleaner.clean(noisy[at : at + 512].tobytes()) for at in range(0, len(noisy), 512)), np.int16
    )
    assert abs(len(clean) - len(noisy)) < 512
    before, speech = slice(32_000, 46_000), slice(52_000, 76_000)
    assert loudness(clean[before]) < loudness(noisy[before]) / 3
    assert loudness(clean[speech]) > loudness(sound[speech]) / 2


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
