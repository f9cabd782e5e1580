"""WebRTC's noise suppression."""

from __future__ import annotations

from edge_assistant.errors import SpeechError

_STEP_BYTES = 320
"""10 ms: the only length that it takes."""


class WebrtcSuppressor:
    """Takes steady noise out of a stream, 10 ms late at most."""

    name = "webrtc"

    def __init__(self, level: int = 2) -> None:
        """Prepare suppression of `level` 1 (mild) to 4; raises `SpeechError` ENGINE_MISSING."""
        try:
            from webrtc_noise_gain import AudioProcessor
        except (ImportError, OSError) as error:
            message = "webrtc-noise-gain can't be loaded: install `[voice]`"
            raise SpeechError("ENGINE_MISSING", message) from error
        self._processor = AudioProcessor(0, level)
        self._rest = b""

    def clean(self, pcm: bytes) -> bytes:
        """Return as much cleaned sound as is ready."""
        data = self._rest + pcm
        whole = len(data) - len(data) % _STEP_BYTES
        self._rest = data[whole:]
        steps = range(0, whole, _STEP_BYTES)
        return b"".join(self._processor.Process10ms(data[at : at + _STEP_BYTES]).audio for at in steps)
