"""espeak-ng: understandable everywhere, pretty nowhere; the last resort."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Iterator

from edge_assistant.errors import SpeechError
from edge_assistant.speech.protocol import Sound

RATES_HZ = range(8_000, 96_001)
_WORDS_PER_MINUTE = 165
_TIMEOUT_SECONDS = 20


class EspeakSynthesizer:
    """Speaks through the program `espeak-ng`, a process for each piece."""

    name = "espeak"

    def __init__(self, language: str = "en") -> None:
        """Find the program; raises `SpeechError` ENGINE_MISSING."""
        program = shutil.which("espeak-ng")
        if program is None:
            raise SpeechError("ENGINE_MISSING", "install the system package espeak-ng")
        self._program = program
        self._language = language.split("-", maxsplit=1)[0]

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> Iterator[Sound]:
        """Yield the sound of all of `text`; raises `SpeechError` SYNTHESIS_FAILED."""
        del voice  # catalogue voices are Piper's
        rate = str(int(min(450, max(80, _WORDS_PER_MINUTE * speed))))
        command = [self._program, "-v", self._language, "-s", rate, "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, check=True, timeout=_TIMEOUT_SECONDS
            )
            yield read_wave(done.stdout)
        except (OSError, subprocess.SubprocessError, wave.Error, EOFError) as error:
            raise SpeechError("SYNTHESIS_FAILED", "espeak-ng could not speak this text") from error


def read_wave(data: bytes) -> Sound:
    """Return what a mono s16 wave file holds; raises `wave.Error` or `EOFError`, also for another form."""
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
        if (file.getnchannels(), file.getsampwidth()) != (1, 2) or rate not in RATES_HZ:
            raise wave.Error("neither mono nor 16 bits, or at a rate that nobody speaks at")
    # On a pipe the header can't tell the length; the samples follow its 44 bytes.
    return Sound(data[44 : len(data) // 2 * 2], rate)
