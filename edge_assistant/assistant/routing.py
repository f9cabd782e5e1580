"""Where a turn is answered: here, unless policy and need say otherwise.

Whether anything may leave is decided before whether it would help. What carries private data never does:
retrieved memories and documents, what was done in the house, what somebody said about themselves, and
whatever followed on it in the same conversation.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from edge_assistant.assistant.ladder import Question
from edge_assistant.assistant.request import Request
from edge_assistant.llm.protocol import Completion, Generation, LanguageModel, Message, ModelStatus
from edge_assistant.memory.conversation import StoredTurn
from edge_assistant.memory.conversations import Conversations
from edge_assistant.memory.statement import statements
from edge_assistant.tools.protocol import Ledger

CHARACTERS_PER_TOKEN = 3
"""Towards more: a budget that is kept is one that is not overrun."""

HISTORY_CHARACTERS = 60_000
"""Of the conversation that goes along; older turns stay."""

DOUBT_TOKENS = 12
"""First tokens of an answer by whose certainty the model's own doubt is judged."""

_ASKED = re.compile(
    r"^\W*(?:please\s+|bitte\s+|can you\s+|could you\s+)?(?:ask|use|try|frage?|nimm|nutze|benutze)\s+"
    r"(?:the\s+|die\s+|das\s+)?"
    r"(?:cloud|online model|big(?:ger)? model|larger? model|große modell|online-modell)\b[\s,:;.–-]*"
    r"(?:(?:to|for|and|mal|nach)\s+)?(?P<rest>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
_WHEN_ONLINE = re.compile(
    r"^\W*(?:please\s+|bitte\s+)?(?:(?:ask|find out|look (?:this|it) up|frage?|schau nach)[\s,:]+)?"
    r"(?:when|once|as soon as|wenn|sobald)\s+(?:you|we|i|it|du|wir|ich|es)(?:'re|'m|'s|\s+(?:are|am|is))?\s+"
    r"(?:back\s+|wieder\s+)?online(?:\s+again)?(?:\s+(?:bist|sind|bin|ist))?[\s,:]+"
    r"(?:(?:please\s+)?(?:ask|find out|frage?|dann|then)[\s,:]+)?(?P<rest>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_FLAGGED = re.compile(
    r"\b(?:keep (?:this|it|that) (?:private|local|here|between us)|(?:stay|answer) (?:offline|local(?:ly)?)|"
    r"don'?t use the cloud|(?:not|never) (?:to|in|over|via) the cloud|without the cloud|"
    r"between (?:you and me|us)|confidential(?:ly)?|bleib(?:t)? (?:offline|lokal|unter uns)|"
    r"nicht (?:in|an|über) die cloud|ohne (?:die )?cloud|unter uns|vertraulich)\b",
    re.IGNORECASE,
)  # fmt: skip


_DISCLOSES_DE = re.compile(
    r"(?:^|[.!,;:\n]\s{0,4}|\bund\s{1,4})(?:ich (?:bin|hab|habe|hatte|war|wurde|leide|nehme|verdiene|"
    r"wohne|lebe|arbeite|heiße|wiege)\b|(?:mein|unser)(?:e[mnrs]?)?\s+[\w-]+\s+"
    r"(?:ist|sind|hat|haben|heißt|war|wohnt|leidet|arbeitet|nimmt)\b)",
    re.IGNORECASE,
)
_DISCLOSES_EN = re.compile(
    r"(?:^|[.!?,;:\n]\s{0,4}|\b(?:and|since|because|as|but|that)\s{1,4})"
    r"(?:i(?:'m| am| was| have| had|'ve (?:got|had|been)| got| suffer| take| earn| live| work| weigh)\b"
    r"(?!\s+(?:(?:a|another|one|some|two|three|\d+)\s+(?:\w+\s+)?questions?|looking|wondering|curious|trying|"
    r"writing|reading|thinking)\b)"
    r"|(?:my|our)\s+[\w'-]+(?:\s+[\w-]+)?\s+(?:is|are|has|have|was|were|had|lives?|works?|suffers?|takes?|got)\b)",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
_WINDOW = 8
"""Sentences that are looked at together: `statements` is made for messages and takes no whole letter."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner allows; see `[cloud]`."""

    consent: Literal["never", "asked", "always"] = "never"
    wait_seconds: float = 20.0
    unsure: float = 0.0


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What this device would make of the turn."""

    tokens: float
    """Of the prompt, about."""
    wait_seconds: float
    """Until its first word, as far as that can be told."""
    status: ModelStatus
    weak: bool = False
    """Whether it was looked up, and nothing was found."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One turn as far as its way depends on it."""

    asked: bool
    """Whether the person asked for the cloud."""
    private: str
    """Why it may never leave; empty when nothing speaks against it."""
    guest: bool
    outlook: Outlook
    online: bool
    cost: int
    """Tokens it would cost at most."""
    left: int
    """Tokens of the budget that are left."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Where the turn is answered and why, in words for the person."""

    cloud: bool
    reason: str
    watch: bool = False
    """Whether this device begins and gives way when its model turns out to be unsure."""


def decide(case: Case, policy: Policy) -> Decision:
    """Return where a turn is answered."""
    refused = _refusal(case, policy)
    need = "you asked for the cloud" if case.asked else _need(case.outlook, policy)
    if refused:
        wanted = f"{refused}, so it stayed on this device" if need else "the model on this device answers"
        return Decision(cloud=False, reason=wanted)
    if not need:
        watch = policy.unsure > 0 and case.online and case.cost <= case.left
        return Decision(cloud=False, reason="the model on this device answers", watch=watch)
    if not case.online:
        return Decision(cloud=False, reason=f"{need}, but the cloud's broker can't be reached")
    if case.cost > case.left:
        return Decision(cloud=False, reason=f"{need}, but this month's budget for the cloud is used up")
    return Decision(cloud=True, reason=need)


def _refusal(case: Case, policy: Policy) -> str:
    if policy.consent == "never":
        return "nobody here agreed to the cloud"
    if case.guest:
        return "guests don't use the cloud"
    if policy.consent == "asked" and not case.asked:
        return "the cloud is used only when asked for"
    return case.private


def _need(outlook: Outlook, policy: Policy) -> str:
    status = outlook.status
    if outlook.weak:
        return "your documents tell nothing about this"
    if status.phase in {"failed", "stopped"}:
        return "the model on this device doesn't work now"
    if status.context and outlook.tokens > status.context:
        return "this is too long for the model on this device"
    if policy.wait_seconds and outlook.wait_seconds > policy.wait_seconds:
        return f"this device would have needed {outlook.wait_seconds:.0f} s for its first word"
    return ""


def asked_for(text: str) -> str:
    """Return what a person wants of the cloud when they name it; else empty."""
    found = _ASKED.match(text)
    return found["rest"] if found else when_online(text)


def when_online(text: str) -> str:
    """Return what a person wants to be asked when there is a link again; else empty."""
    found = _WHEN_ONLINE.match(text)
    return found["rest"] if found else ""


def private_reason(request: Request, question: str, *, retrieved: bool, history: Sequence[StoredTurn]) -> str:
    """Return why a turn may not leave, or empty."""
    if request.private or _FLAGGED.search(request.text):
        return "this is marked as private"
    if retrieved:
        return "your memories or documents belong to this"
    if discloses(question):
        return "this says something about you"
    if any(is_private(turn) for turn in history):
        return "this conversation holds something private"
    return ""


def is_private(turn: StoredTurn) -> bool:
    """Whether a turn of the past holds what may not leave."""
    route = turn.route or {}
    told = route.get("rung") in {"intent", "extractive"} or bool(route.get("private") or turn.sources)
    return told or bool(_FLAGGED.search(turn.user_text)) or discloses(turn.user_text)


def discloses(text: str) -> bool:
    """Whether somebody says something about themselves or theirs in a text, as far as its form tells."""
    sentences = _SENTENCES.split(text)
    windows = (sentences[start : start + _WINDOW] for start in range(0, len(sentences), _WINDOW))
    said = text.replace("’", "'")
    if _DISCLOSES_DE.search(said) or _DISCLOSES_EN.search(said):
        return True
    return any(statements("\n".join(window)) for window in windows)


class Budget(Protocol):
    """Counts what the cloud costs."""

    async def left(self) -> int:
        """Return how many tokens may still be spent in this month."""
        ...

    async def spend(self, tokens: int) -> None:
        """Take note of tokens that were spent."""
        ...


class Elsewhere:
    """A model elsewhere and the rules under which it is asked."""

    def __init__(
        self,
        model: LanguageModel,
        policy: Policy,
        budget: Budget,
        conversations: Conversations,
        ledger: Ledger | None = None,
    ) -> None:
        self.model = model
        self.policy = policy
        self._ledger = ledger
        self._budget = budget
        self._conversations = conversations

    @property
    def online(self) -> bool:
        """Whether it can be asked now."""
        return self.model.status.phase == "ready"

    async def decide(self, question: Question, generation: Generation, outlook: Outlook) -> Decision:
        """Return where this turn is answered; `generation` is what the model here would be asked."""
        request, asked = question.request, asked_for(question.request.text)
        if self.policy.consent == "never" or (self.policy.consent == "asked" and not asked):
            case = self._case(question, outlook, asked=bool(asked), private="", cost=0, left=0)
            return decide(case, self.policy)
        private = await self._private_reason(question, asked or request.text)
        sent = sum(len(message.content) for message in generation.messages)
        cost = min(sent, HISTORY_CHARACTERS) // CHARACTERS_PER_TOKEN + generation.sampling.max_tokens
        case = self._case(
            question, outlook, asked=bool(asked), private=private, cost=cost, left=await self._budget.left()
        )
        return decide(case, self.policy)

    async def may_ask(self, question: Question, text: str) -> bool:
        """Whether `text`, which a person wants to be asked, may leave at all."""
        request = question.request
        if self.policy.consent == "never" or request.principal.role == "guest":
            return False
        return not await self._private_reason(question, text)

    async def _private_reason(self, question: Question, text: str) -> str:
        """Look at all that was said before in the conversation, answered or not, still in view or not."""
        turns = await self._conversations.all_turns(question.request.session)
        before = tuple(itertools.takewhile(lambda turn: turn.turn_id != question.turn.id, turns))
        retrieved = bool(question.passages)
        return await asyncio.to_thread(
            private_reason, question.request, text, retrieved=retrieved, history=before
        )

    async def affords(self, generation: Generation) -> bool:
        """Whether the budget of this month has room for a question and its answer."""
        sent = sum(len(message.content) for message in generation.messages)
        return sent // CHARACTERS_PER_TOKEN + generation.sampling.max_tokens <= await self._budget.left()

    def _case(
        self, question: Question, outlook: Outlook, *, asked: bool, private: str, cost: int, left: int
    ) -> Case:
        return Case(
            asked=asked, private=private, guest=question.request.principal.role == "guest", outlook=outlook,
            online=self.online, cost=cost, left=left,
        )  # fmt: skip

    def generation(self, system: str, generation: Generation) -> Generation:
        """Return what is asked elsewhere: the persona, the newest turns and the question, nothing else."""
        messages = [Message(each.role, each.content) for each in generation.messages if each.role != "system"]
        question = messages.pop()
        question = Message("user", asked_for(question.content) or question.content)
        room = HISTORY_CHARACTERS - len(question.content)
        while messages and (sum(len(each.content) for each in messages) > room or messages[0].role != "user"):
            messages.pop(0)
        sampling = msgspec.structs.replace(
            generation.sampling, json_schema=None, fence=None, certainty=False, seed=None
        )
        return Generation(
            id=generation.id, messages=(Message("system", system), *messages, question), sampling=sampling,
            public=False, tokens_per_second=generation.tokens_per_second,
        )  # fmt: skip

    async def note(self, principal: str, generation: Generation) -> None:
        """Write down that something leaves, before it does: whose, and how much, not what."""
        if self._ledger is not None:
            characters = sum(len(message.content) for message in generation.messages)
            await self._ledger.record("cloud.asked", principal, {"characters": characters})

    async def spend(self, generation: Generation, completion: Completion | None, characters: int) -> None:
        """Take note of what an answer cost, also one that failed."""
        sent = sum(len(message.content) for message in generation.messages)
        read = completion.prompt_tokens if completion else 0
        written = completion.completion_tokens if completion else 0
        await self._budget.spend(
            max(read, sent // (CHARACTERS_PER_TOKEN + 1))
            + max(written, characters // (CHARACTERS_PER_TOKEN + 1))
        )


class Doubt:
    """Holds back the first pieces of an answer until it shows how sure the model is of them."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._certainties: list[float] = []
        self._settled = False

    def hear(self, certainty: float | None) -> bool | None:
        """Take the certainty of the next token; return whether the model is unsure, None while in doubt."""
        if self._settled:
            return False
        if certainty is not None:
            self._certainties.append(certainty)
        if len(self._certainties) < DOUBT_TOKENS:
            return None
        self._settled = True
        return sum(self._certainties) / len(self._certainties) < self._threshold
