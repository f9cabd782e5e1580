"""The recovery code: 125 random bits that a person can write down and type again.

Thirty symbols of Crockford's base32 (no I, L, O, U) in six groups of five: 25 random ones and 5 that
check them, so a mistyped code is told from a wrong one (a typo passes with probability 2^-25).
"""

from __future__ import annotations

import hashlib
import re
import secrets

from edge_assistant.errors import UsageError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_SYMBOLS = 25
CHECK_SYMBOLS = 5
GROUP = 5

LOOKALIKES = str.maketrans("OIL", "011")


def new_code() -> str:
    """Return a fresh code such as `7K2MQ-…`, in the form that is shown to a person."""
    return spell("".join(secrets.choice(ALPHABET) for _ in range(RANDOM_SYMBOLS)))


def spell(body: str) -> str:
    """Return the 25 symbols of `body` with their check, in groups."""
    symbols = body + _check(body)
    return "-".join(symbols[start : start + GROUP] for start in range(0, len(symbols), GROUP))


def secret_of(code: str) -> bytes:
    """Return the secret in a typed code; case, spaces, dashes and look-alikes don't matter.

    Raises RECOVERY_CODE_MISTYPED when it can't be a code.
    """
    symbols = re.sub(r"[\s\-–—_.]", "", code).upper().translate(LOOKALIKES)
    body, check = symbols[:RANDOM_SYMBOLS], symbols[RANDOM_SYMBOLS:]
    if len(check) != CHECK_SYMBOLS or not set(symbols) <= set(ALPHABET) or _check(body) != check:
        raise UsageError(
            "RECOVERY_CODE_MISTYPED",
            "this is not a complete recovery code: it has six groups of five letters and digits; "
            "compare it with what was written down",
        )
    return body.encode("ascii")


def _check(body: str) -> str:
    number = int.from_bytes(hashlib.sha256(b"edge-assistant recovery " + body.encode()).digest()[:4], "big")
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(CHECK_SYMBOLS))
