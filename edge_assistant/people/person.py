"""People, their roles, and the devices and programs that act in their name: the types."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Role = Literal["owner", "member", "guest"]
"""What a person may do: the owner everything, members live here, guests only chat for themselves."""

Scope = Literal["chat", "status", "documents", "memory", "home", "manage"]
"""What a program's token is for. A person's browser has all of them, within the person's role."""

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)
PROGRAM_SCOPES: tuple[Scope, ...] = ("chat", "status")
"""What a token may do when nobody said otherwise."""

OWNER_ID = "owner"
"""The person at the device itself; always there."""

HOUSEHOLD_ID = "household"
"""In whose name nobody in particular speaks: a microphone in the living room."""

_RANK: dict[Role, int] = {"guest": 0, "member": 1, "owner": 2}


def at_least(role: Role, needed: Role) -> bool:
    """Return whether `role` may do what `needed` may."""
    return _RANK[role] >= _RANK[needed]


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Set by a frontend from its own knowledge, never from a payload."""

    id: str
    role: Role = "guest"


OWNER = Principal(OWNER_ID, "owner")
"""The person at the device itself: terminal, control socket, the first sign-in link."""

HOUSEHOLD = Principal(HOUSEHOLD_ID, "member")
"""Everybody who lives here: in whose name a conversation of the household looks things up and acts."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One person. `created_at` is in UNIX seconds."""

    id: str
    name: str
    role: Role
    created_at: float


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A paired browser or a program with a token, as a list shows it. Times are UNIX seconds."""

    id: str
    user: str
    kind: Literal["browser", "program"]
    name: str
    scopes: tuple[Scope, ...]
    """Empty for a browser, which may do whatever its person may."""
    created_at: float
    last_seen_at: float
    expires_at: float | None
    """None when it lasts until it is revoked."""


class SignIn(msgspec.Struct):
    """A device as it is recognised with each request. Times are UNIX seconds."""

    device: str
    user: str
    role: Role
    kind: Literal["browser", "program"]
    scopes: frozenset[Scope]
    token_hash: bytes
    last_seen_at: float
    expires_at: float | None

    def may(self, role: Role, scope: Scope) -> bool:
        """Return whether it may do what needs `role`, and for a program also `scope`."""
        return at_least(self.role, role) and (self.kind == "browser" or scope in self.scopes)
