"""One-time sign-in links, in memory: they end with the process, and nobody can read them back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque

from edge_assistant.frontends.web.responses import ForbiddenError, ThrottledError

LINK_SECONDS = 600
MAX_LINKS = 16
MAX_FAILURES = 10
FAILURE_SECONDS = 60


def digest(secret: str) -> bytes:
    """Return what is kept of a secret. It is random and long, so a plain hash can't be reversed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Links:
    """Outstanding one-time tokens. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._expiries: dict[bytes, float] = {}
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)

    def new(self, now: float) -> str:
        """Return a 128-bit token, valid once within ten minutes; beyond sixteen the oldest ends."""
        self._drop_expired(now)
        while len(self._expiries) >= MAX_LINKS:
            del self._expiries[next(iter(self._expiries))]
        token = secrets.token_urlsafe(16)
        self._expiries[digest(token)] = now + LINK_SECONDS
        return token

    def use(self, token: str, now: float) -> float:
        """End the token and return its expiry.

        Raises `ForbiddenError`, or `ThrottledError` after ten failures in a minute.
        """
        self._check_throttle(now)
        self._drop_expired(now)
        wanted = digest(token)
        known = [each for each in self._expiries if hmac.compare_digest(each, wanted)]
        if not known:
            self._failures.append(now)
            raise ForbiddenError(
                "SIGN_IN_LINK_USED",
                "this sign-in link is used, too old or wrong: get a new one",
            )
        return self._expiries.pop(known[0])

    def give_back(self, token: str, expiry: float) -> None:
        """Let a token be used after all: the sign-in could not be stored."""
        self._expiries[digest(token)] = expiry

    def _check_throttle(self, now: float) -> None:
        if len(self._failures) < MAX_FAILURES:
            return
        wait = self._failures[0] + FAILURE_SECONDS - now
        if wait > 0:
            raise ThrottledError(
                "SIGN_IN_THROTTLED", "too many failed sign-ins: wait a moment", retry_after=round(wait, 1)
            )

    def _drop_expired(self, now: float) -> None:
        self._expiries = {each: expiry for each, expiry in self._expiries.items() if expiry > now}
