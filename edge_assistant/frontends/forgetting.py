"""What a person asks to be forgotten, as every medium takes it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_assistant.assistant.request import Principal
from edge_assistant.errors import ForbiddenError, UsageError
from edge_assistant.memory.conversations import Conversations
from edge_assistant.store.erase import Document, Memory, Person, Sessions, Subject, Topic

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
TopicWords = Annotated[str, msgspec.Meta(min_length=2, max_length=200)]


class ForgetWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be forgotten: one of these, or a topic of a person."""

    person: Name | None = None
    """Whose: all of it, or the topic. Left out it is whoever asks; only the owner may name others."""
    session: Name | None = None
    document: Name | None = None
    memory: Name | None = None
    topic: TopicWords | None = None
    preview: bool = False
    """Only say how much it would be."""


async def subject_of(wish: ForgetWish, who: Principal, conversations: Conversations) -> Subject:
    """Return what a wish means, when `who` may have it.

    Raises FORGET_WHAT, FORGET_NOT_YOURS; SESSION_NOT_FOUND, SESSION_NOT_YOURS.
    """
    named = [each for each in (wish.session, wish.document, wish.memory, wish.topic) if each is not None]
    alone = wish.session or wish.document or wish.memory
    if len(named) > 1 or (wish.person and alone) or not (named or wish.person):
        raise UsageError("FORGET_WHAT", "name one: a person, a session, a document, a memory, or a topic")
    person = wish.person or who.id
    if person != who.id and who.role != "owner":
        raise ForbiddenError("FORGET_NOT_YOURS", "only the owner of the device forgets what others said")
    if wish.session is not None:
        await conversations.check_erasable(wish.session, who.id)
        return Sessions((wish.session,))
    if wish.document is not None:
        return Document(wish.document, who.id)
    if wish.memory is not None:
        return Memory(wish.memory, who.id)
    if wish.topic is None:
        return Person(person)
    topic = Topic(wish.topic, person)
    if not topic.stems:
        raise UsageError("FORGET_WHAT", "a topic needs a word")
    return topic
