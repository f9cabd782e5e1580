"""Light and buttons, on gpiozero's mock pins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from edge_assistant.config.schema import VoiceSettings
from edge_assistant.frontends.voice.panel import Panel
from edge_assistant.frontends.voice.voice import Voice
from edge_assistant.speech.wire import EndListening, Listen, Mute
from tests.frontends.voice.scripted import ScriptedSpeech, TalkedTo
from tests.frontends.web.conftest import until

SETTINGS = VoiceSettings(led_pin=17, talk_pin=22, mute_pin=27)


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    factory = MockFactory()
    monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
    yield factory
    factory.close()


@pytest.fixture
async def device(pins: MockFactory) -> Any:
    speech = ScriptedSpeech()
    voice = Voice(SETTINGS, TalkedTo(), speech)
    panel = Panel(SETTINGS, voice)
    await voice.start()
    panel.start()
    yield speech, voice, panel
    panel.stop()
    await voice.stop()


async def test_holding_the_button_listens_and_letting_go_ends_it(device: Any, pins: MockFactory) -> None:
    speech, _, _ = device
    pins.pin(22).drive_low()
    await until(lambda: bool(speech.sent_of(Listen)))
    assert speech.sent_of(Listen)[0].hold
    speech.begin("asked")
    pins.pin(22).drive_high()
    await until(lambda: bool(speech.sent_of(EndListening)))
    assert not speech.sent_of(EndListening)[0].discard


async def test_the_switch_closes_the_microphone_and_opens_it_again(device: Any, pins: MockFactory) -> None:
    speech, voice, _ = device
    pins.pin(27).drive_low()
    await until(lambda: speech.sent_of(Mute) == [Mute(muted=True)])
    assert voice.status.phase == "muted"
    pins.pin(27).drive_high()
    await until(lambda: speech.sent_of(Mute)[-1] == Mute(muted=False))


class Closed(MockPin):
    """A pin whose switch is closed already when somebody looks at it."""

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.drive_low()


async def test_a_switch_that_is_on_at_the_start_keeps_the_microphone_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", MockFactory(pin_class=Closed))
    speech = ScriptedSpeech()
    voice = Voice(SETTINGS, TalkedTo(), speech)
    panel = Panel(SETTINGS, voice)
    panel.start()
    assert voice.status.muted
    panel.stop()


async def test_the_light_shows_the_phase(device: Any, pins: MockFactory) -> None:
    speech, voice, panel = device
    shown: list[tuple[float, float] | str] = []
    panel._light.blink = lambda on, off: shown.append((on, off))
    panel._light.on = lambda: shown.append("on")
    panel._light.off = lambda: shown.append("off")
    speech.begin()
    speech.end()
    voice.mute(True)
    assert shown == ["on", "off", (0.05, 2.95)]


async def test_without_pins_it_says_why_and_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "native")
    speech = ScriptedSpeech()
    voice = Voice(SETTINGS, TalkedTo(), speech)
    panel = Panel(SETTINGS, voice)
    panel.start()
    assert "no light and no buttons" in voice.report.problems[0]
    panel.stop()
