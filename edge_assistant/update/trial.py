"""A new version tried: it takes the old one's place, is watched, and stays or gives it back.

Each step is written down before it is done, so that a power cut at any point leaves one of the two starting,
and whoever comes next (the guard before a start, the next `update`) knows how to go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.place import Outcome, Place, Probation
from edge_assistant.update.release import UpdateError
from edge_assistant.update.service import Service

logger = logging.getLogger(__name__)

MOST_STARTS = 3
"""The first one and two more; the guard counts with the same number."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a version may take."""

    start_seconds: float = 900.0
    """To become well: a large model takes minutes to load."""
    probation_seconds: float = 120.0
    """To stay well."""
    look_seconds: float = 2.0
    """How often it is looked at."""


class Trial:
    """Tries versions."""

    def __init__(
        self,
        place: Place,
        service: Service,
        keepsake: Keepsake,
        settle: Callable[[str], None],
        patience: Patience,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settle` brings what lies outside of a version's folder up to date with it, such as units."""
        self._place = place
        self._service = service
        self._keepsake = keepsake
        self._settle = settle
        self._patience = patience
        self._sleep = sleep
        self._clock = clock

    def begin(self, new: str) -> Outcome:
        """Let another version take the place of the one that runs, and see it through."""
        probation = self._place.begin_probation(new, self._service.health().word)
        try:
            self._service.stop()
            self._keepsake.take()
            self._place.switch(new)
        except BaseException:  # also Ctrl+C must not leave it stopped
            self._call_off()
            raise
        self._service.start()
        return self._watch(probation)

    def go_on(self) -> Outcome | None:
        """End what a power cut left half done; None when there was nothing, or nothing came of it yet."""
        probation = self._place.probation
        if probation is None:
            if self._service.health().running:  # and so has taken up the copy, if it had to
                self._keepsake.drop()
            return None
        if self._place.current == probation.new:
            if not self._service.health().running:
                self._service.start()
            return self._watch(probation)
        if probation.starts:  # the guard, or a cut-off return
            return self._give_back(probation, "UPDATE_RESTARTED", _RESTARTED)
        self._call_off()
        return None

    def _call_off(self) -> None:
        """Let the old version, which never lost its place, go on."""
        self._place.end_probation()
        self._keepsake.drop()
        self._service.start()

    def _watch(self, probation: Probation) -> Outcome:
        """Wait until the new version is well and stays so, or is not."""
        began = self._clock()
        well_since: float | None = None
        starts = 0
        while True:
            now = self._clock()
            if self._place.current != probation.new:
                return self._give_back(probation, "UPDATE_RESTARTED", _RESTARTED)
            health = self._service.health()
            known = self._place.probation or probation
            well = health.running and health.word in {"", "ok", probation.usual}
            if not well or known.starts != starts:
                well_since = None
            starts = known.starts
            if well and well_since is None:
                well_since = now
            if well_since is not None and now - well_since >= self._patience.probation_seconds:
                return self._stay(probation)
            if well_since is None and now - began >= self._patience.start_seconds:
                said = health.word if health.running else "it does not run"
                return self._give_back(probation, "UPDATE_NOT_WELL", f"it did not become well: {said}")
            self._sleep(self._patience.look_seconds)

    def _stay(self, probation: Probation) -> Outcome:
        self._settle(probation.new)
        outcome = self._outcome(probation, "applied", "", "")
        self._place.remember(outcome)
        self._place.end_probation()
        self._keepsake.drop()
        self._place.keep(probation.old)
        logger.info("update: version %s stays", outcome.version)
        return outcome

    def _give_back(self, probation: Probation, code: str, why: str) -> Outcome:
        outcome = self._outcome(probation, "returned", code, why)
        self._place.remember(outcome)  # first, or it would be tried again
        if self._place.current != probation.old:
            self._service.stop()
            self._place.switch(probation.old)
        self._settle(probation.old)
        self._service.start()
        self._place.end_probation()
        self._await_old()
        self._place.remove(probation.new)
        logger.warning("update: version %s gave its place back: %s", outcome.version, code)
        return outcome

    def _await_old(self) -> None:
        """Keep the copy of the store until the old version has had a chance to take it up."""
        until = self._clock() + self._patience.start_seconds
        while self._clock() < until:
            if self._service.health().running:
                self._keepsake.drop()
                return
            self._sleep(self._patience.look_seconds)

    def _outcome(self, probation: Probation, result: str, code: str, message: str) -> Outcome:
        return Outcome(
            at=round(time.time(), 1), version=self._place.version(probation.new),
            digest=self._place.release(probation.new), result=result, code=code, message=message,
        )  # fmt: skip


_RESTARTED = f"it was started {MOST_STARTS} times before it was known to be well"


def succeeded(outcome: Outcome) -> Outcome:
    """Return the outcome of a version that stays; raises what made it give its place back."""
    if outcome.result == "returned":
        raise UpdateError(
            outcome.code,
            f"version {outcome.version} was taken back, the one before runs again: {outcome.message}",
        )
    return outcome
