"""The library on the page: a file goes in, a question is answered from it, the source is a click away."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Locator, Route

from tests.daemon import Daemon
from tests.documents import samples
from tests.e2e.album import Album
from tests.e2e.page_chat import ChatPage
from tests.e2e.test_documents import BOILER, embedded

DROP = """([zone, name, text]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([text], name, { type: "text/markdown" }));
    const target = zone ? document.querySelector(zone) : document.body;
    for (const kind of ["dragenter", "dragover", "drop"])
        target.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def boiler(tmp_path: Path) -> Path:
    headings = {1: "Place", 2: "Errors", 3: "Warranty"}
    return samples.pdf(tmp_path / "boiler.pdf", BOILER, title="Boiler manual", headings=headings)


def library(chat: ChatPage) -> Locator:
    chat.page.locator("#side-documents").click()
    dialog = chat.page.locator("dialog.panels")
    dialog.locator(".drop").wait_for()
    return dialog


def test_a_file_is_uploaded_asked_about_and_the_cited_page_opens(
    daemon: Daemon, chat: ChatPage, boiler: Path, album: Album
) -> None:
    dialog = library(chat)
    dialog.locator("input[type=file]").set_input_files(boiler)
    chat.wait_until(lambda: dialog.locator(".documents li").count() == 1)
    daemon.wait_until(lambda: embedded(daemon), 60)
    dialog.get_by_text("PDF · 3 pages · ready").wait_for()
    dialog.get_by_label("Search in the documents").fill("warranty of the burner")
    dialog.locator(".found-text").first.wait_for()
    assert "Warranty" in dialog.locator(".documents .turn-question").first.inner_text()
    album.keep(chat, "documents")
    dialog.get_by_label("Close").click()
    assert "water pressure is too low" in chat.ask("What does error E4 of the boiler mean?")
    number = chat.page.locator(".answer-text .cite")
    assert (number.inner_text(), number.get_attribute("aria-label")) == (
        "[1]", "1: Boiler manual, page 2, Errors",
    )  # fmt: skip
    number.click()
    chat.page.locator("dialog.passage .cited").wait_for()
    chat.page.locator("dialog.passage").get_by_label("Close").click()
    cite = chat.page.locator(".sources .cite").first
    assert cite.inner_text() == "Boiler manual, page 2, Errors"
    cite.click()
    passage = chat.page.locator("dialog.passage")
    passage.locator(".cited").wait_for()
    assert "Error E4 means" in passage.locator(".cited").inner_text()
    album.keep(chat, "passage")
    passage.get_by_label("Close").click()
    chat.page.reload()
    chat.page.locator(".answer-text .cite").click()
    chat.page.locator("dialog.passage .cited").wait_for()


def test_a_document_is_forgotten_everywhere_with_a_receipt(
    daemon: Daemon, chat: ChatPage, boiler: Path, tmp_path: Path
) -> None:
    dialog = library(chat)
    dialog.locator("input[type=file]").set_input_files(boiler)
    chat.wait_until(lambda: dialog.locator(".documents li").count() == 1)
    daemon.wait_until(lambda: embedded(daemon), 60)
    dialog.get_by_label("Close").click()
    assert "water pressure is too low" in chat.ask("What does error E4 of the boiler mean?")
    assert daemon.cli("backup", str(tmp_path / "kept.backup")).returncode == 0
    dialog = library(chat)
    dialog.get_by_label("Remove Boiler manual").click()
    chat.page.get_by_label("Also from backups").check()
    with chat.page.expect_download() as download:
        chat.page.locator("#confirm [value=yes]").click()
    receipt = json.loads(Path(download.value.path()).read_text())
    assert (receipt["kind"], receipt["erased"]) == ("document", {"answers": 1, "documents": 1})
    assert receipt["backups_erased"] == 1
    chat.wait_until(lambda: dialog.locator(".documents li").count() == 0)
    dialog.get_by_label("Close").click()
    chat.page.reload()
    chat.page.locator("#message").wait_for()
    assert chat.page.get_by_text("water pressure is too low").count() == 0


def test_files_are_dropped_fail_with_a_reason_and_are_removed(chat: ChatPage) -> None:
    chat.page.evaluate(DROP, ["", "garden.md", "# Garden\n\nThe roses want water on Tuesdays.\n"])
    dialog = chat.page.locator("dialog.panels")
    dialog.get_by_text("Garden", exact=True).wait_for()
    chat.page.evaluate(DROP, [".drop", "broken.pdf", "%PDF-1.7 and nothing else"])
    dialog.locator("[data-state=failed] .problem").wait_for()
    dialog.get_by_label("Remove broken.pdf").click()
    chat.page.locator("#confirm").get_by_role("button").last.click()
    chat.wait_until(lambda: dialog.locator(".documents li").count() == 1)


def test_an_older_list_that_comes_late_hides_nothing(chat: ChatPage) -> None:
    dialog = library(chat)
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    chat.page.route(re.compile(r"/api/documents\?after="), hold_the_first)
    chat.page.evaluate(DROP, [".drop", "garden.md", "# Garden\n\nThe roses want water on Tuesdays.\n"])
    chat.wait_until(lambda: dialog.is_visible() and held)  # whoever asks the page lets it be heard too
    chat.page.evaluate(DROP, [".drop", "broken.pdf", "%PDF-1.7 and nothing else"])
    dialog.locator("[data-state=failed] .problem").wait_for()
    dialog.get_by_text("Markdown · ready").wait_for()
    ((route, older),) = held
    route.fulfill(response=older)
    chat.page.wait_for_timeout(300)
    assert dialog.locator("[data-state=failed]").count() == 1
