"""The page as an app on a phone: installable, opens without the device, and loses nothing that was typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext

from tests.daemon import Daemon
from tests.e2e.page_chat import LOST, ChatPage, shell_is_kept

KEPT = """async () => {
    const kept = [];
    for (const name of await caches.keys()) {
        const requests = await (await caches.open(name)).keys();
        kept.push(...requests.map((request) => new URL(request.url).pathname));
    }
    return kept;
}"""


def at_a_fixed_port(daemon: Daemon) -> None:
    daemon.environ["EDGE_ASSISTANT__WEB__PORT"] = daemon.url.rpartition(":")[2]


def test_browsers_may_install_the_page(chat: ChatPage) -> None:
    client = chat.page.context.new_cdp_session(chat.page)
    found: dict[str, Any] = client.send("Page.getAppManifest")
    assert found["errors"] == []
    manifest = json.loads(found["data"])
    assert {"192x192", "512x512"} <= {each["sizes"] for each in manifest["icons"]}
    assert any(each.get("purpose") == "maskable" for each in manifest["icons"])
    shell_is_kept(chat)
    problems = client.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {each["errorId"] for each in problems} <= {"in-incognito"}, "tests' browsers keep nothing"
    sizes = chat.page.evaluate(
        """async (icons) => Promise.all(icons.map(async ({ src }) => {
            const image = new Image();
            image.src = src;
            await image.decode();
            return `${image.naturalWidth}x${image.naturalHeight}`;
        }))""",
        pictures := [each for each in manifest["icons"] if each["type"] == "image/png"],
    )
    assert sizes == [each["sizes"] for each in pictures]


def test_what_was_typed_without_the_device_is_sent_when_it_is_back_even_by_another_page(
    daemon: Daemon, chat: ChatPage, context: BrowserContext, make_page: Callable[..., ChatPage]
) -> None:
    chat.expected = LOST
    at_a_fixed_port(daemon)
    assert chat.ask("What is rain?")
    shell_is_kept(chat)
    kept = chat.page.evaluate(KEPT)
    assert all(each == "/" or each.startswith("/static/") for each in kept), "nothing of a chat is kept"
    daemon.stop()
    chat.page.goto(daemon.url)
    chat.page.wait_for_selector("#app:not([hidden])")
    chat.wait_until(lambda: chat.status.startswith("Offline"))
    chat.write("What is tea?")
    chat.wait_until(lambda: "when the connection is back" in chat.answers.last.inner_text())
    chat.page.close()
    later = make_page(context)
    later.expected = LOST
    later.page.goto(daemon.url)
    later.page.wait_for_selector("#app:not([hidden])")
    daemon.start()
    later.wait_until(lambda: later.titles == ["What is tea?", "What is rain?"], 60)
    later.page.locator(".session .pick").first.click()
    later.wait_until(lambda: later.questions == ["What is tea?"])
    later.wait_for_end()
    assert later.text
    assert later.page.evaluate("() => ({...localStorage})") == {}, "and forgotten here"


def test_a_new_version_of_the_page_is_there_at_once(daemon: Daemon, chat: ChatPage) -> None:
    """The kept shell is for times without the device only: no browser is stuck with an old page."""
    shell_is_kept(chat)
    chat.page.evaluate(
        """async () => {
            const old = new Response("<title>old</title>", { headers: { "Content-Type": "text/html" } });
            await (await caches.open("shell")).put("/", old);
        }"""
    )
    chat.page.goto(daemon.url)
    assert chat.page.title() != "old"
    chat.page.wait_for_selector("#app:not([hidden])")
