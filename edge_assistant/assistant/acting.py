"""Doing things in a turn: events around each action, and a person's answers to our questions."""

from __future__ import annotations

import logging

import msgspec

from edge_assistant.assistant.consent import consent, spoken_pin, wants_undo
from edge_assistant.assistant.events import ConfirmationAsked, Route, ToolCalled, ToolFinished
from edge_assistant.assistant.ladder import Question, QuickAnswer
from edge_assistant.assistant.request import Confirms, Principal, Request
from edge_assistant.assistant.turn import Turn
from edge_assistant.errors import EdgeError
from edge_assistant.tools.actions import Actions, Result
from edge_assistant.tools.protocol import Call, Occasion
from edge_assistant.tools.refusals import refusal

logger = logging.getLogger(__name__)

WITHHELD = "(PIN)"
"""Stands in the conversation where somebody said it."""


def occasion_of(request: Request, *, language: str = "en", tainted: bool = False) -> Occasion:
    """Return who wants something done, from a request."""
    return Occasion(
        principal=request.principal, session=request.session, source=request.source,
        language=language, tainted=tainted,
    )  # fmt: skip


async def carry_out(turn: Turn, actions: Actions, call: Call, occasion: Occasion) -> Result:
    """Do a call in a turn and tell so by events; raises `EdgeError` as `Actions.do`."""
    summary = actions.summary(call, occasion)
    turn.append(ToolCalled(id=turn.id, seq=turn.seq + 1, name=call.tool, summary=summary))
    try:
        with turn.stage("tool", call.tool):
            result = await actions.do(call, occasion)
    except EdgeError as error:
        _finished(turn, call.tool, "failed", error.code)
        raise
    _finished(turn, call.tool, result.status)
    if result.asked is not None:
        asked, left = result.asked, actions.confirmations.left_seconds(result.asked)
        turn.append(
            ConfirmationAsked(
                id=turn.id, seq=turn.seq + 1, action=asked.id, summary=asked.effect.summary,
                pin=asked.pin, seconds=round(left, 1),
            )
        )  # fmt: skip
    return result


def understood(request: Request, actions: Actions, principal: Principal) -> Request:
    """Return the request as the answer to our open question, when its text is one.

    `principal` is in whose name the conversation acts. A PIN leaves the text, which is stored. Raises
    CONFIRMATION_GONE, CONFIRMATION_NOT_YOURS for an answer by id that nobody waits for.
    """
    if request.confirms is not None:
        actions.confirmations.look(request.confirms.action, principal)
        return request
    asked = actions.confirmations.newest(principal, request.session)
    if asked is None:
        return request
    yes, pin = consent(request.text), spoken_pin(request.text) if asked.pin else ""
    if pin:
        confirms = Confirms(action=asked.id, approve=True, pin=pin)
        return msgspec.structs.replace(request, text=WITHHELD, confirms=confirms)
    if yes is None or (yes and asked.pin):
        return request
    return msgspec.structs.replace(request, confirms=Confirms(action=asked.id, approve=yes))


class ConsentRung:
    """Carries out what a person confirmed, or drops it; takes back what was done."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Answer a request that answers our question; a refusal is told as the answer."""
        request, turn = question.request, question.turn
        confirms = request.confirms
        undo = wants_undo(request.text) if confirms is None else ""
        if confirms is None and not undo:
            return None
        language = undo or self._language(confirms, request.principal)
        try:
            if confirms is None:
                result = await self._actions.undo(occasion_of(request, language=undo))
            else:
                result = await self._actions.answer(
                    confirms.action, request.principal, approve=confirms.approve, pin=confirms.pin
                )
        except EdgeError as error:
            logger.info("turn %s: %s", turn.id, error.code)
            _finished(turn, "confirm", "failed", error.code)
            return _said(refusal(error, language))
        _finished(turn, "confirm", result.status)
        return _said(result.text)

    def _language(self, confirms: Confirms | None, principal: Principal) -> str:
        """Return in which language that was asked which is answered now."""
        open_ones = self._actions.confirmations.of(principal) if confirms else []
        return next(
            (each.occasion.language for each in open_ones if confirms and each.id == confirms.action), "en"
        )


def _finished(turn: Turn, name: str, outcome: str, code: str = "") -> None:
    finished = {"id": turn.id, "seq": turn.seq + 1, "name": name, "outcome": outcome, "code": code}
    turn.append(msgspec.convert(finished, ToolFinished))


def _said(text: str) -> QuickAnswer:
    sentence = text[:1].upper() + text[1:]
    if sentence[-1:].isalnum():
        sentence += "."
    return QuickAnswer(
        text=sentence,
        route=Route(rung="intent", model="", reason="a person answered our question, or took something back"),
    )
