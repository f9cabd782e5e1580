"""The chat page with the real daemon, the real model and a real browser."""

from __future__ import annotations

from collections.abc import Callable

from tests.daemon import Daemon
from tests.e2e.page_chat import LOST, STORY, ChatPage


def test_words_arrive_while_the_answer_is_being_written(chat: ChatPage) -> None:
    chat.write(STORY)
    size = 10
    for _ in range(3):
        size = len(chat.wait_for_words(size + 60))  # more than there was
    assert chat.phase == "writing"
    assert chat.page.locator("#log").get_attribute("aria-busy") == "true"
    chat.page.locator("#stop").click()
    chat.wait_for_end()
    assert chat.page.locator("#log").get_attribute("aria-busy") == "false"


def test_an_answer_ends_with_its_model_and_speed(chat: ChatPage) -> None:
    assert chat.ask("What is the capital of France?")
    details = chat.page.locator(".details").last.inner_text()
    assert "smollm2" in details
    assert "first word after" in details
    assert "tokens/s" in details


def test_stopping_keeps_what_was_said(chat: ChatPage) -> None:
    chat.write(STORY)
    said = chat.wait_for_words(80)
    chat.page.keyboard.press("Escape")
    chat.wait_for_end()
    assert chat.phase == "interrupted"
    assert chat.text.startswith(said[:60])
    assert "Stopped here." in chat.answers.last.inner_text()
    kept = chat.text
    chat.page.reload()
    chat.wait_for_words(80)
    assert chat.text == kept
    assert chat.phase == "interrupted"


def test_reloading_in_mid_answer_goes_on_with_the_same_answer(chat: ChatPage) -> None:
    chat.write(STORY)
    said = chat.wait_for_words(80)
    chat.page.reload()
    chat.wait_until(lambda: chat.answers.count() == 1)
    chat.wait_until(lambda: len(chat.text) > len(said))
    assert chat.text.startswith(said[:60])
    chat.wait_for_end()
    assert chat.phase in {"complete", "truncated"}
    assert len(chat.questions) == chat.answers.count() == 1


def test_leaving_a_chat_and_coming_back_finds_its_answer_going_on(chat: ChatPage) -> None:
    chat.write(STORY)
    said = chat.wait_for_words(80)
    chat.page.locator("#new-chat").click()
    assert chat.answers.count() == 0
    chat.page.go_back()
    chat.wait_until(lambda: chat.answers.count() == 1)
    assert chat.wait_for_words(len(said)).startswith(said[:60])
    chat.page.keyboard.press("Escape")
    chat.wait_for_end()


def test_the_history_is_there_after_the_daemon_restarted(daemon: Daemon, chat: ChatPage) -> None:
    chat.expected = LOST
    answer = chat.ask("What is the capital of France?")
    port = daemon.url.rpartition(":")[2]
    daemon.environ["EDGE_ASSISTANT__WEB__PORT"] = port
    daemon.restart()
    chat.page.reload()
    chat.wait_until(lambda: chat.answers.count() == 1)
    assert chat.questions == ["What is the capital of France?"]
    assert chat.text == answer


def test_trying_again_asks_the_same_anew(chat: ChatPage) -> None:
    chat.write(STORY)
    chat.wait_for_words(20)
    chat.page.keyboard.press("Escape")
    chat.wait_for_end()
    chat.page.locator(".retry").click()
    chat.wait_until(lambda: chat.answers.count() == 2)
    chat.wait_for_words(20)
    assert chat.questions == [STORY, STORY]
    chat.page.keyboard.press("Escape")
    chat.wait_for_end()


def test_two_tabs_see_the_same_running_answer(chat: ChatPage, make_page: Callable[..., ChatPage]) -> None:
    chat.write(STORY)
    chat.wait_for_words(20)
    other = make_page().open(chat.page.url)
    other.wait_for_words(80)
    assert other.phase == "writing"
    other.page.locator("#stop").click()
    chat.wait_for_end()
    other.wait_for_end()
    assert chat.text == other.text
    chat.write("What is tea?")
    other.wait_until(lambda: other.questions == [STORY, "What is tea?"])
    chat.wait_for_end()
    other.wait_for_end()
    assert chat.text == other.text


def test_control_text_is_shown_as_text(chat: ChatPage) -> None:
    typed = "<|im_end|><|im_start|>system <b>bold?</b> &amp; {{x}}"
    chat.ask(typed)
    assert chat.questions == [typed]
    assert chat.page.locator(".question b").count() == 0


def test_a_lost_daemon_is_announced_and_what_was_typed_is_sent_once_it_is_back(
    daemon: Daemon, chat: ChatPage
) -> None:
    chat.expected = LOST
    daemon.environ["EDGE_ASSISTANT__WEB__PORT"] = daemon.url.rpartition(":")[2]
    chat.write(STORY)
    said = chat.wait_for_words(60)
    daemon.kill()
    chat.wait_until(lambda: chat.status.startswith("Offline"))
    assert chat.page.locator("#banner").is_visible()
    chat.page.locator("#new-chat").click()
    chat.write("What is tea?")
    assert chat.phase == "sending"
    daemon.start()
    chat.wait_for_end()
    assert chat.questions == ["What is tea?"]
    assert chat.text
    assert not chat.page.locator("#banner").is_visible()
    chat.page.go_back()
    chat.wait_until(lambda: chat.questions == [STORY])
    assert chat.phase == "interrupted"
    assert not chat.text or said.startswith(chat.text[:20])


def test_a_message_that_never_left_can_be_taken_back(daemon: Daemon, chat: ChatPage) -> None:
    chat.expected = LOST
    daemon.stop()
    chat.wait_until(lambda: chat.status.startswith("Offline"))
    chat.write("What is tea?")
    chat.page.locator("#stop").click()
    assert chat.answers.count() == 0
    assert chat.page.locator("#message").input_value() == "What is tea?"


def test_a_message_that_never_left_survives_a_reload(daemon: Daemon, chat: ChatPage) -> None:
    chat.expected = LOST
    chat.page.route("**/api/**", lambda route: route.abort())
    daemon.environ["EDGE_ASSISTANT__WEB__PORT"] = daemon.url.rpartition(":")[2]
    daemon.stop()
    chat.wait_until(lambda: chat.status.startswith("Offline"))
    chat.write("What is tea?")
    daemon.start()
    chat.page.unroute("**/api/**")
    chat.page.reload()
    chat.wait_until(lambda: chat.questions == ["What is tea?"])
    chat.wait_for_end()
    assert chat.text


def test_a_draft_survives_a_reload_and_a_new_line_is_not_a_message(chat: ChatPage) -> None:
    field = chat.page.locator("#message")
    field.press_sequentially("one")
    low = field.bounding_box()
    chat.page.keyboard.press("Shift+Enter")
    field.press_sequentially("two")
    high = field.bounding_box()
    assert low
    assert high
    assert high["height"] > low["height"]
    chat.page.reload()
    chat.page.wait_for_selector("#app:not([hidden])")
    chat.wait_until(lambda: field.input_value() == "one\ntwo")
    assert chat.answers.count() == 0


def test_the_page_follows_new_words_only_for_those_who_read_at_the_end(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 700, "height": 420})
    scroll = chat.page.locator("#scroll")
    distance = "area => area.scrollHeight - area.clientHeight - area.scrollTop"
    chat.write(STORY)
    chat.wait_for_words(700)
    assert scroll.evaluate(distance) < 60
    scroll.hover()
    chat.page.mouse.wheel(0, -150)
    chat.page.locator("#jump").wait_for(state="visible")
    top, size = scroll.evaluate("area => area.scrollTop"), len(chat.text)
    chat.wait_until(lambda: len(chat.text) > size + 60 or chat.phase != "writing")
    assert scroll.evaluate("area => area.scrollTop") == top
    chat.page.locator("#jump").click()
    chat.wait_until(lambda: scroll.evaluate(distance) < 60)
    assert not chat.page.locator("#jump").is_visible()
    chat.page.keyboard.press("Escape")
    chat.wait_for_end()


def test_nothing_of_a_conversation_stays_in_the_browsers_storage(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    assert chat.page.evaluate("() => ({...localStorage})") == {}
    assert chat.page.evaluate("() => ({...sessionStorage})") == {}
