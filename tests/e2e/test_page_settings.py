"""Settings and the first visit, on a phone and on a desk, with the real daemon and a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator

import edge_assistant.bench.chat as chat_bench
from tests.daemon import Daemon
from tests.e2e.album import Album
from tests.e2e.page_chat import ChatPage

STATIC = Path(__file__).parents[2] / "edge_assistant" / "frontends" / "web" / "static"
AUDIT = Path(chat_bench.__file__).with_name("audit.js").read_text(encoding="utf-8").partition("\n")[2]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1200, "height": 800}}


def settings(chat: ChatPage, panel: str = "") -> Locator:
    if chat.page.locator("#open-drawer").is_visible():
        chat.page.locator("#open-drawer").click()
    chat.page.locator("#settings").click()
    dialog = chat.page.locator("dialog.panels")
    dialog.locator(".panel h3").first.wait_for()
    if panel:
        dialog.locator(f"[data-panel={panel}]").click()
        dialog.locator(f"[data-panel={panel}][aria-current=true]").wait_for()
        chat.wait_until(lambda: dialog.get_by_text("One moment…").count() == 0)
    return dialog


def test_name_and_instructions_are_changed_and_stay(chat: ChatPage) -> None:
    dialog = settings(chat, "assistant")
    dialog.get_by_label("Name").fill("Ada")
    dialog.get_by_label("Instructions").fill("Be brief.")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("Saved.").wait_for()
    chat.wait_until(lambda: chat.page.locator("#brand").inner_text() == "Ada")
    chat.page.keyboard.press("Escape")
    chat.page.reload()
    chat.page.get_by_text("Hello, I’m Ada.").wait_for()
    assert settings(chat, "assistant").get_by_label("Instructions").input_value() == "Be brief."


def test_what_the_environment_sets_is_shown_and_not_offered(
    make_daemon: Callable[..., Daemon], make_page: Callable[..., ChatPage], starter_model: Path
) -> None:
    del starter_model
    daemon = make_daemon(EDGE_ASSISTANT__ASSISTANT__NAME="Fixed")
    dialog = settings(make_page().open(daemon.link()), "assistant")
    assert dialog.get_by_label("Name").is_disabled()
    assert dialog.get_by_label("Persona").is_enabled()


def test_the_page_promises_that_everything_stays_on_the_device(chat: ChatPage) -> None:
    chat.page.get_by_text("Private: everything stays on this device").wait_for()


def test_the_page_says_so_when_messages_leave_the_device(
    make_daemon: Callable[..., Daemon], make_page: Callable[..., ChatPage]
) -> None:
    daemon = make_daemon(
        EDGE_ASSISTANT__LLM__ENGINE="openai",
        EDGE_ASSISTANT__LLM__URL="http://127.0.0.1:9",
        EDGE_ASSISTANT__LLM__REMOTE_MODEL="elsewhere",
    )
    page = make_page().open(daemon.link()).page
    page.get_by_text("answered by a server that the configuration names").wait_for()
    assert page.get_by_text("everything stays").count() == 0


def test_models_say_whether_they_fit_and_a_failed_fetch_says_why(chat: ChatPage) -> None:
    dialog = settings(chat, "model")
    assert "GB of memory" in dialog.inner_text()
    current = dialog.locator(".model").first
    assert "in use" in current.inner_text()
    assert re.search(r"needs [\d.]+ GB of memory · (fits|tight)", current.inner_text())
    chat.page.route(
        "**/api/models/*/pull",
        lambda route: route.fulfill(status=503, json={"error": {"code": "X", "message": "another is"}}),
    )
    chat.expected = re.compile(r"\b503\b")
    dialog.get_by_role("button", name=re.compile("^Fetch and use")).first.click()
    chat.wait_until(lambda: "That did not work: another is" in dialog.inner_text())


def test_a_model_being_fetched_shows_how_far_it_is_and_is_used_once_it_is_there(chat: ChatPage) -> None:
    """The device's part of a pull is tested without a page; this is what the page makes of the news."""
    pull = {"phase": "running", "done": 0, "total": 0, "code": "", "message": ""}
    body: dict[str, object] = {}

    def models(route) -> None:  # type: ignore[no-untyped-def]
        if not body:
            body.update(route.fetch().json())
        model = next(each for each in body["models"] if each["state"] == "missing")  # type: ignore[attr-defined]
        model["pull"] = {"model": model["id"], **pull} if pulling else None
        route.fulfill(json=body)

    told = '{"model":"ID","phase":"running","done":200,"total":400,"code":"","message":""}'
    news = f"event: pull\ndata: {told}\n\n"
    pulling: list[str] = []
    chosen: list[str] = []
    chat.page.route("**/api/models", models)
    dialog = settings(chat, "model")

    def start(route) -> None:  # type: ignore[no-untyped-def]
        pulling.append(route.request.url.split("/")[-2])
        route.fulfill(status=202, json={"model": pulling[0], **pull})

    chat.page.route("**/api/models/*/pull", start)
    chat.page.route(
        "**/api/models/events",
        lambda route: route.fulfill(content_type="text/event-stream", body=news.replace("ID", pulling[0])),
    )
    dialog.get_by_role("button", name=re.compile("^Fetch and use")).first.click()
    bar = dialog.locator("progress")
    chat.wait_until(lambda: bar.count() == 1 and bar.evaluate("bar => bar.value") == 0.5)
    assert "50 %" in dialog.locator(".pull").inner_text()

    def change(route) -> None:  # type: ignore[no-untyped-def]
        chosen.append(route.request.post_data_json["values"]["llm.model"])
        route.fulfill(json={})

    chat.page.route("**/api/settings", change)
    news = news.replace('"running","done":200', '"done","done":400')
    chat.wait_until(lambda: chat.page.title() and chosen == pulling[:1])


def test_the_status_tells_phase_speed_memory_and_queue(chat: ChatPage) -> None:
    chat.ask("What is tea?")
    chat.page.locator("#status").click()
    facts = chat.page.locator(".facts")
    facts.wait_for()
    text = facts.inner_text()
    assert re.search(r"State\s+ready", text)
    assert re.search(r"Writes\s+[\d.,]+ tokens/s", text)
    assert re.search(r"Memory in use\s+[\d.,]+ of [\d.,]+ GB", text)
    assert re.search(r"Queue\s+nobody is before you", text)
    assert re.search(r"Temperature\s+([\d.,]+ °C|no sensor)", text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [PHONE, DESK], ids=["phone", "desk"])
def test_every_panel_has_names_contrast_and_room(
    daemon: Daemon,
    make_context: Callable[..., BrowserContext],
    make_page: Callable[..., ChatPage],
    scheme: str,
    device: dict[str, object],
) -> None:
    daemon.wait_for_model()
    context = make_context(**device, color_scheme=scheme, reduced_motion="reduce", locale="de-DE")
    chat = make_page(context).open(daemon.link())
    assert chat.page.locator("html").get_attribute("lang") == "de"
    chat.ask("Was ist Tee?")
    chat.page.evaluate("() => document.activeElement.blur()")
    if chat.page.locator("#open-drawer").is_visible():
        chat.page.locator("#open-drawer").click()
    chat.page.locator("#settings").click()
    dialog = chat.page.locator("dialog.panels")
    dialog.locator(".panel h3").first.wait_for()
    panels = dialog.locator("[data-panel]").evaluate_all("tabs => tabs.map((tab) => tab.dataset.panel)")
    assert {"page", "assistant", "model", "documents", "status", "memory", "turns"} <= set(panels)
    for panel in panels:
        dialog.locator(f"[data-panel={panel}]").click()
        chat.wait_until(lambda: dialog.get_by_text("Einen Moment …").count() == 0)
        assert chat.page.evaluate(AUDIT) == [], panel


def test_memory_is_written_searched_corrected_and_forgotten_with_a_receipt(chat: ChatPage) -> None:
    dialog = settings(chat, "memory")
    memories = dialog.locator(".memory-text")
    for text in ("my sister is called Eve", "I like tea"):
        dialog.locator("#memory-new").fill(text)
        dialog.get_by_role("button", name="Remember").click()
        memories.get_by_text(f"{text[0].upper()}{text[1:]}.").wait_for()
    dialog.locator("#memory-search").fill("sister")
    chat.wait_until(lambda: memories.all_inner_texts()[:1] == ["My sister is called Eve."])
    dialog.locator(".memory").first.get_by_role("button", name="Correct").click()
    dialog.locator(".memory-edit input").fill("my sister is called Ada")
    dialog.get_by_role("button", name="Save").click()
    chat.wait_until(lambda: memories.all_inner_texts()[:1] == ["My sister is called Ada."])
    dialog.get_by_role("button", name="Bring back").click()
    chat.wait_until(lambda: memories.all_inner_texts()[:1] == ["My sister is called Eve."])
    dialog.locator("#memory-topic").fill("sisters")
    dialog.locator(".fields").filter(has=chat.page.locator("#memory-topic")).get_by_role("button").click()
    chat.page.locator("#confirm [value=yes]").click()
    dialog.get_by_text("Forgotten: 1 memories.").wait_for()
    assert "receipt-" in str(dialog.get_by_text("Keep the receipt").get_attribute("download"))
    dialog.locator("#memory-search").fill("")
    chat.wait_until(lambda: memories.all_inner_texts() == ["I like tea."])


def test_a_wrong_answer_is_corrected_below_it_and_the_correction_is_used(chat: ChatPage) -> None:
    chat.ask("How long do I boil my eggs?")
    chat.answers.last.get_by_role("button", name="Say what is right").click()
    chat.answers.last.get_by_label("What is right?").fill("seven minutes")
    chat.answers.last.get_by_role("button", name="Save").click()
    chat.page.get_by_text("It counts from now on.").wait_for()
    chat.ask("How long should I boil my eggs?")
    assert chat.answers.last.locator(".sources").count() == 1


def test_language_and_theme_are_chosen_and_stay(chat: ChatPage) -> None:
    dialog = settings(chat, "page")
    dialog.get_by_label("Theme").select_option("dark")
    assert chat.page.locator("html").get_attribute("data-theme") == "dark"
    dialog.get_by_label("Language of this page").select_option("de")
    chat.page.get_by_text("Hallo, ich bin Nabu.").wait_for()
    chat.page.reload()
    chat.page.get_by_text("Hallo, ich bin Nabu.").wait_for()
    assert chat.page.locator("html").get_attribute("data-theme") == "dark"


def test_signing_out_leaves_nothing_behind(chat: ChatPage) -> None:
    chat.expected = re.compile(r"\b403\b|WebSocket")
    chat.page.locator("#message").fill("a draft")
    settings(chat, "page").get_by_role("button", name="Sign out here").click()
    chat.page.wait_for_selector("#signin:not([hidden])")
    assert chat.page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_guest_finds_no_settings_of_the_device(
    daemon: Daemon, make_context: Callable[..., BrowserContext], make_page: Callable[..., ChatPage]
) -> None:
    daemon.order(type="add_user", name="Gus", role="guest")
    owner = make_page().open(daemon.link())
    users = owner.page.evaluate("() => fetch('/api/users').then((answer) => answer.json())")["users"]
    user = next(each["id"] for each in users if each["name"] == "Gus")
    link = daemon.order(type="pair", user=user)["local_url"]
    guest = make_page(make_context()).open(link)
    dialog = settings(guest)
    names = dialog.locator("[data-panel]").all_inner_texts()
    assert names == ["This page", "Timers and lists", "Status", "Memory", "Last answers"]


def test_the_first_visit_sets_the_device_up(
    make_daemon: Callable[..., Daemon],
    make_context: Callable[..., BrowserContext],
    make_page: Callable[..., ChatPage],
    starter_model: Path,
    album: Album,
) -> None:
    del starter_model
    daemon = make_daemon(
        EDGE_ASSISTANT__WEB__WIZARD="on",
        EDGE_ASSISTANT__WEB__LAN="on",
        EDGE_ASSISTANT__WEB__TLS_HOST="127.0.0.1",
        EDGE_ASSISTANT__WEB__TLS_PORT="0",
        EDGE_ASSISTANT__WEB__ANNOUNCE="off",
    )
    chat = make_page(make_context(**PHONE)).open(daemon.link())
    dialog = chat.page.locator("dialog.wizard")
    dialog.get_by_role("heading", name="Welcome").wait_for()
    album.keep(chat, "phone-wizard")
    dialog.get_by_label("Language of this page").select_option("de")
    dialog.get_by_label("Language of answers").select_option("de")
    dialog.get_by_role("button", name="Next").click()
    dialog.get_by_role("heading", name="Wie soll er heißen?").wait_for()
    assert chat.page.evaluate(AUDIT) == []
    dialog.get_by_label("Name").fill("Ada")
    weiter = dialog.get_by_role("button", name="Weiter")
    weiter.click()
    dialog.get_by_role("heading", name="Wie soll er sprechen?").wait_for()
    weiter.click()
    dialog.locator(".model").first.wait_for()
    assert chat.page.evaluate(AUDIT) == []
    weiter.click()
    dialog.get_by_role("button", name="Code zeigen").click()
    dialog.locator("img.qr").wait_for()
    album.keep(chat, "phone-pairing")
    assert chat.page.evaluate(AUDIT) == []
    weiter.click()
    dialog.get_by_role("button", name="Rettungscode erzeugen").click()
    chat.wait_until(lambda: len(dialog.locator(".code-shown").inner_text()) > 20)
    dialog.get_by_role("button", name="Fertig").click()
    chat.page.get_by_text("Hallo, ich bin Ada.").wait_for()
    chat.page.reload()
    chat.page.get_by_text("Hallo, ich bin Ada.").wait_for()
    chat.page.wait_for_load_state("networkidle")
    assert dialog.count() == 0, "it does not come twice"


QUESTIONS = (
    "Why is the sky blue?",
    "Write a Python function that says whether a number is prime.",
)


def test_pictures_of_a_desk_show_a_chat_and_where_its_time_went(
    daemon: Daemon,
    make_context: Callable[..., BrowserContext],
    make_page: Callable[..., ChatPage],
    album: Album,
) -> None:
    daemon.wait_for_model()
    chat = make_page(make_context(**DESK, device_scale_factor=2)).open(daemon.link())
    for question in QUESTIONS:
        assert chat.ask(question)
    chat.page.locator(".question").last.evaluate("node => node.scrollIntoView()")
    album.keep(chat, "desk-chat")
    dialog = settings(chat, "turns")
    assert dialog.locator("svg.waterfall").count() == len(QUESTIONS)
    album.keep(chat, "desk-turns")


def test_both_languages_say_everything() -> None:
    def keys(path: Path, name: str) -> list[str]:
        table = re.search(rf"const {name} = {{\n(.*?)\n}};", path.read_text(encoding="utf-8"), re.DOTALL)
        assert table
        return re.findall(r"^  (\w+):", table.group(1), re.MULTILINE)

    assert keys(STATIC / "text.js", "ENGLISH") == [
        each for each in keys(STATIC / "text-de.js", "GERMAN") if each != "errors"
    ]
    for path in (*STATIC.glob("*-text.js"), STATIC / "trust.js"):
        assert keys(path, "ENGLISH") == keys(path, "GERMAN"), path.name
    used = {
        key
        for path in STATIC.glob("*.js")
        for key in re.findall(r'\bt\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert used <= set(keys(STATIC / "text.js", "ENGLISH"))


def test_a_panel_is_there_for_those_who_may_open_it_where_its_part_of_the_device_is_on(
    chat: ChatPage,
) -> None:
    shown = chat.page.evaluate(
        """async () => {
            const { PANELS, panelsFor } = await import("/static/panels.js");
            PANELS.push({ id: "new", title: ["New", "Neu"], role: "member", needs: "home" });
            const cases = [["guest", ["home"]], ["member", []], ["member", ["home"]], ["owner", ["home"]]];
            return cases.map((each) => panelsFor(...each).some(({ id }) => id === "new"));
        }"""
    )
    assert shown == [False, False, True, True]


def test_every_panel_is_a_module_that_makes_one() -> None:
    listed = re.findall(r'import\("\./([\w.-]+)"\)', (STATIC / "panels.js").read_text(encoding="utf-8"))
    assert len(listed) == len(set(listed)) >= 5
    for name in listed:
        assert "export async function panel(" in (STATIC / name).read_text(encoding="utf-8"), name
