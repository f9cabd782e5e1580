"""Who may use a route: each handler says it, and one that says nothing is the owner's alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from edge_assistant.people.person import Role, Scope

F = TypeVar("F", bound=Callable[..., Any])


class Rule(msgspec.Struct, frozen=True):
    """What a route needs: a person of this role and, of a program, a token with this scope."""

    role: Role
    scope: Scope
    public: bool = False
    """Whether anybody who reaches the port may use it."""


PUBLIC = Rule("guest", "status", public=True)
UNMARKED = Rule("owner", "manage")

_RULES: dict[Any, Rule] = {}


def public(handler: F) -> F:
    """Mark a handler that anybody who reaches the port may use: it must reveal nothing of anybody."""
    _RULES[handler] = PUBLIC
    return handler


def allow(role: Role, scope: Scope) -> Callable[[F], F]:
    """Mark a handler that signed-in people of this role or a higher one may use.

    A program also needs a token with `scope`; its person's role bounds it too.
    """

    def mark(handler: F) -> F:
        _RULES[handler] = Rule(role, scope)
        return handler

    return mark


def rule_of(handler: Any) -> Rule:
    """Return what the handler of a route needs."""
    return _RULES.get(getattr(handler, "__func__", handler), UNMARKED)
