"""Looking back on the page: search, edit and resend, save, where the time went, what answers stand on."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.page_chat import ChatPage

TURN = """async () => {
    const { Turn } = await import("/static/turn.js");
    const { TurnView } = await import("/static/message.js");
    const turn = new Turn("t", "s", "Where is the key?");
    const view = new TurnView(turn, { name: () => "Nabu", isOpen: () => true, onDrawn() {} });
    document.querySelector("#log").append(...view.nodes);
    const items = [
        {
            n: 1, kind: "document", source: "d", title: "House <b>book</b>", where: "page 3",
            url: "https://example.org/a",
        },
        { n: 2, kind: "memory", source: "m", title: "", mine: true, url: "javascript:alert(1)" },
    ];
    turn.apply({ type: "sources", id: "t", seq: 2, items });
    const text = "Under the mat [1].";
    turn.apply({ type: "turn.finished", id: "t", seq: 3, text, status: "complete", sources: items });
    view.changed();
}"""


def two_turns(chat: ChatPage) -> None:
    assert chat.ask("What is tea?")
    assert chat.ask("What is rain?")


def test_words_of_old_chats_are_found_and_shown_where_they_stand(chat: ChatPage) -> None:
    two_turns(chat)
    chat.page.locator("#new-chat").click()
    chat.page.locator("#search").fill("rain")
    found = chat.page.locator(".hit")
    found.first.wait_for()
    assert found.first.locator("mark").first.inner_text().lower() == "rain"
    found.first.click()
    chat.wait_until(lambda: chat.page.locator(".question.found").count() == 1)
    chat.page.locator("#search").fill("xylophone")
    chat.page.get_by_text("Nothing found for “xylophone”.").wait_for()
    chat.page.locator("#search").press("Escape")
    chat.wait_until(lambda: chat.titles == ["What is tea?"])


def test_an_edited_message_replaces_itself_and_all_after_it(chat: ChatPage) -> None:
    two_turns(chat)
    first = chat.page.locator(".question").first
    first.hover()
    first.get_by_label("Edit and send again").click()
    field = chat.page.locator("#message")
    assert field.input_value() == "What is tea?"
    chat.page.keyboard.press("Escape")
    assert field.input_value() == ""
    first.get_by_label("Edit and send again").click()
    assert chat.page.locator("#editing").is_visible()
    field.fill("What is coffee?")
    chat.page.keyboard.press("Enter")
    chat.wait_until(lambda: chat.questions == ["What is coffee?"])
    chat.wait_for_end()
    answer = chat.text
    chat.page.reload()
    chat.wait_until(lambda: chat.questions == ["What is coffee?"])
    assert chat.text == answer


def test_a_chat_is_saved_as_a_file(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    chat.wait_until(lambda: chat.titles == ["What is tea?"])
    with chat.page.expect_download() as download:
        chat.page.locator("#export").click()
    assert download.value.suggested_filename == "What is tea.md"
    assert "What is tea?" in Path(download.value.path()).read_text(encoding="utf-8")
    chat.page.locator("#new-chat").click()
    assert not chat.page.locator("#export").is_visible()


def test_the_inspector_draws_where_the_time_of_each_answer_went(chat: ChatPage) -> None:
    two_turns(chat)
    chat.page.locator("#settings").click()
    chat.page.get_by_role("button", name="Last answers").click()
    rows = chat.page.locator(".turns > li")
    chat.wait_until(lambda: rows.count() == 2)
    assert rows.first.locator(".turn-question").inner_text() == "What is rain?"
    widths = rows.first.locator("rect").evaluate_all(
        """bars => Object.fromEntries(
            bars.map((bar) => [bar.getAttribute("class"), Number(bar.getAttribute("width"))]))"""
    )
    assert widths["read"] > 0
    assert widths["write"] > 0
    assert "writing" in str(rows.first.locator("svg").get_attribute("aria-label"))
    assert "tokens/s" in rows.first.inner_text()
    drawn = rows.locator("rect").evaluate_all("bars => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert min(drawn) > 0
    rows.first.locator(".turn-question").click()
    chat.wait_until(lambda: chat.page.locator("dialog[open]").count() == 0)


def test_an_answer_lists_what_it_stands_on(chat: ChatPage) -> None:
    chat.page.evaluate(TURN)
    items = chat.page.locator(".sources li")
    assert items.all_inner_texts() == ["House <b>book</b>, page 3", "Something you told me"]
    link = chat.page.locator(".sources a")
    assert link.count() == 1, "only web addresses are links"
    attributes = json.loads(link.evaluate("a => JSON.stringify([a.href, a.target, a.rel])"))
    assert attributes == ["https://example.org/a", "_blank", "noopener noreferrer"]
