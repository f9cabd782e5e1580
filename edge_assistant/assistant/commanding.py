"""The first rung: what the house, timers and lists are told, done without a model."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence

from edge_assistant.assistant.acting import carry_out, occasion_of
from edge_assistant.assistant.events import Route
from edge_assistant.assistant.ladder import Question, QuickAnswer
from edge_assistant.config.schema import Home
from edge_assistant.errors import EdgeError
from edge_assistant.home.registry import Registry
from edge_assistant.intents import answers
from edge_assistant.intents.client import IntentWorker
from edge_assistant.intents.paraphrase import Paraphrases
from edge_assistant.intents.plan import Act, Ask, Do, Plan, Tell, plan
from edge_assistant.intents.vocabulary import vocabulary
from edge_assistant.intents.wire import LONGEST_TEXT, Match
from edge_assistant.tools.actions import Actions
from edge_assistant.tools.protocol import Call, Occasion
from edge_assistant.tools.refusals import refusal

REMEMBERED_SECONDS = 600.0
"""So long `it` means what was spoken of before."""

CONVERSATIONS = 500
"""Of which that is known."""

LANGUAGES = ("en", "de")


class IntentRung:
    """Understands sentences by templates, then by likeness, and does what they say."""

    def __init__(
        self,
        worker: IntentWorker,
        registry: Registry,
        actions: Actions,
        settings: Home,
        *,
        language: Callable[[], str],
        paraphrases: Paraphrases | None = None,
    ) -> None:
        self._worker = worker
        self._registry = registry
        self._actions = actions
        self._settings = settings
        self._language = language
        self._paraphrases = paraphrases
        self._last: dict[tuple[str, str], tuple[str, float]] = {}
        """By person and conversation: what was named last, and when."""
        self.watch: Callable[[str], None] | None = None
        """Told of each step as `do SERVICE ENTITY KEY=VALUE`, `ask ENTITY` or `tool NAME`; for measuring."""
        self._taught = -1
        self.learn()

    def learn(self) -> None:
        """Teach the process what can be named now, when the house changed; else the next sentence waits."""
        if self._taught != self._registry.version:
            self._taught = self._registry.version
            self._worker.learn(vocabulary(self._registry, self._settings.sentences))

    async def attempt(self, question: Question) -> QuickAnswer | None:
        """Do what a sentence says; None when it isn't understood."""
        request = question.request
        if request.confirms is not None or request.brought is not None or len(request.text) > LONGEST_TEXT:
            return None
        self.learn()
        place = (request.principal.id, request.session)
        first = self._language()[:2]
        languages = tuple(dict.fromkeys((first, *LANGUAGES)))
        matches = await self._worker.parse(
            request.text, languages, room=self._settings.room, last=self._spoken_of(place)
        )
        how = "a sentence template"
        if not matches and self._paraphrases is not None:
            near = await self._paraphrases.match(request.text, languages)
            matches, how = ((near,) if near else ()), "a sentence near to a template"
        planned = [(match, self._plan(match, place)) for match in matches]
        if not planned or any(plans is None for _, plans in planned):
            return None
        texts = [
            await self._carry_out(question, each, match.language or first)
            for match, plans in planned
            for each in plans or ()
        ]
        self._remember(place, planned)
        return QuickAnswer(
            text=" ".join(dict.fromkeys(texts)), route=Route(rung="intent", model="", reason=how)
        )

    def _plan(self, match: Match, place: tuple[str, str]) -> list[Plan] | None:
        if match.intent.startswith("Own"):
            sentence = self._settings.sentences[int(match.intent.removeprefix("Own"))]
            steps = [
                {"entity": each.entity, "service": each.service, "data": each.data}
                for each in sentence.actions
            ]
            told: list[Plan] = [Do(Call("restore_home", {"steps": steps}))] if steps else []
            return [*told, Tell(sentence.answer)] if sentence.answer else told
        if match.intent == "EdgeAlias":
            entity = str(match.slots.get("name") or self._spoken_of(place))
            alias = str(match.slots.get("alias", ""))
            return [Do(Call("name_device", {"entity": entity, "name": alias}))] if entity and alias else None
        return plan(match, self._registry, self._settings.room)

    async def _carry_out(self, question: Question, step: Plan, language: str) -> str:
        """Do one step and return what is said of it; a failure is said too."""
        occasion = occasion_of(question.request, language=language)
        if self.watch is not None:
            for line in told(step):
                self.watch(line)
        try:
            match step:
                case Act(entities=entities, service=service, data=data):
                    names = [each.id for each in entities]
                    call = Call("control_home", {"entities": names, "service": service, "data": data})
                    return (await carry_out(question.turn, self._actions, call, occasion)).text
                case Do(call=call):
                    return (await carry_out(question.turn, self._actions, call, occasion)).text
                case Ask(entities=entities):
                    states = [self._registry.state(each.id) for each in entities]
                    return answers.answer(step, states, language)
                case Tell():
                    return await self._tell(step, occasion, language)
        except EdgeError as error:
            return refusal(error, language)

    async def _tell(self, step: Tell, occasion: Occasion, language: str) -> str:
        now = dt.datetime.now().astimezone()
        if step.what == "time":
            return answers.spoken_time(now, language)
        if step.what == "date":
            return answers.spoken_date(now, language)
        if step.what == "which":
            return answers.which(step.entities, language)
        if step.what == "undo":
            return (await self._actions.undo(occasion)).text
        return step.what

    def _spoken_of(self, place: tuple[str, str]) -> str:
        name, at = self._last.get(place, ("", 0.0))
        return name if time.monotonic() - at < REMEMBERED_SECONDS else ""

    def _remember(self, place: tuple[str, str], done: Sequence[tuple[Match, list[Plan] | None]]) -> None:
        """Take note of what was named; after a command to several things `it` is none of before."""
        for match, plans in done:
            name = str(match.slots.get("name", ""))
            if name or any(isinstance(step, Act) for step in plans or ()):
                self._last.pop(place, None)
            if name:
                self._last[place] = (name, time.monotonic())
        while len(self._last) > CONVERSATIONS:
            del self._last[next(iter(self._last))]


def told(step: Plan) -> list[str]:
    """Return a line for each thing that a step is about."""
    match step:
        case Act(entities=entities, service=service, data=data):
            more = [
                f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
                for key, value in data.items()
            ]
            return [" ".join(("do", service, each.id, *more)) for each in entities]
        case Ask(entities=entities):
            return [f"ask {each.id}" for each in entities]
        case Do(call=call):
            return [f"tool {call.tool}"]
        case Tell(what=what):
            return [f"tool {what}"]
