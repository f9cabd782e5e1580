"""A phone in the house, from the scanned code to the day it is revoked, over TLS, in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Playwright

from tests.daemon import Daemon
from tests.e2e.album import Album
from tests.e2e.conftest import ARGUMENTS
from tests.e2e.page_chat import LOST, ChatPage, shell_is_kept

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
REFUSED = re.compile(LOST.pattern + r"|\b403\b")


@pytest.fixture
def house(make_daemon: Callable[..., Daemon], starter_model: Path) -> Daemon:
    """A daemon that the house reaches, on loopback because a test is no business of the house."""
    del starter_model
    daemon = make_daemon(
        EDGE_ASSISTANT__WEB__LAN="on",
        EDGE_ASSISTANT__WEB__TLS_HOST="127.0.0.1",
        EDGE_ASSISTANT__WEB__TLS_PORT="0",
        EDGE_ASSISTANT__WEB__ANNOUNCE="off",
    )
    daemon.wait_for_model()
    return daemon


@pytest.fixture
def trusting_browser(
    house: Daemon, playwright: Playwright, chromium: str, tmp_path: Path
) -> Iterator[Browser]:
    """A browser on whose system somebody installed the device's certificate authority, and nothing else."""
    certutil = shutil.which("certutil")
    if certutil is None:
        pytest.fail("no certutil here: `make test` installs it", pytrace=False)
    database, authority = tmp_path / "home" / ".pki" / "nssdb", tmp_path / "ca.crt"
    database.mkdir(parents=True)
    authority.write_bytes(download_authority(house))
    for words in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "device", "-i", str(authority))):
        subprocess.run([certutil, "-d", f"sql:{database}", *words], check=True, capture_output=True)
    browser = playwright.chromium.launch(
        executable_path=chromium, args=list(ARGUMENTS), env={"HOME": str(tmp_path / "home")}
    )
    yield browser
    browser.close()


def download_authority(house: Daemon) -> bytes:
    """What the page offers for download, fetched as anybody may."""
    with urllib.request.urlopen(f"{house.url}/ca.crt", timeout=60) as answer:
        return bytes(answer.read())


@pytest.fixture
def phone(trusting_browser: Browser) -> Iterator[Callable[..., ChatPage]]:
    """Open phones that know nothing of each other; each must stay free of errors and foreign requests."""
    opened: list[tuple[BrowserContext, ChatPage]] = []

    def make(**options: Any) -> ChatPage:
        context = trusting_browser.new_context(**{**PHONE, **options})
        opened.append((context, ChatPage(context)))
        return opened[-1][1]

    yield make
    for context, page in opened:
        page.assert_clean()
        context.close()


def paired(page: ChatPage, house: Daemon, **user: str) -> dict[str, Any]:
    shown = house.order(type="pair", **user)
    page.open(shown["url"])
    return shown


def test_a_phone_scans_chats_goes_away_comes_back_and_is_revoked(
    house: Daemon, phone: Callable[..., ChatPage], album: Album
) -> None:
    page = phone()
    page.expected = REFUSED
    shown = paired(page, house)
    assert page.page.url.startswith("https://127.0.0.1:")
    assert "signin" not in page.page.url, "the token leaves the address at once"
    assert page.page.evaluate("() => isSecureContext"), "so the microphone works"
    album.keep(page, "phone-welcome")
    assert page.ask("What is the capital of France?")
    page.wait_until(lambda: len(page.titles) == 1)
    album.keep(page, "phone-chat")
    shell_is_kept(page)
    page.page.context.set_offline(True)
    page.page.reload()
    page.wait_until(lambda: page.status.startswith("Offline"))
    page.write("And of Italy?")
    page.wait_until(lambda: "when the connection is back" in page.answers.last.inner_text())
    album.keep(page, "phone-away")
    page.page.context.set_offline(False)
    page.wait_until(lambda: page.questions == ["What is the capital of France?", "And of Italy?"], 60)
    page.wait_for_end()
    assert page.text
    device = next(each for each in house.order(type="devices")["items"] if each["kind"] == "browser")
    assert house.cli("pair", "--revoke", device["id"]).returncode == 0
    page.page.locator("#signin").wait_for(state="visible")
    assert not page.page.locator("#app").is_visible()
    album.keep(page, "phone-revoked")
    page.page.goto(shown["url"])
    page.page.reload()
    page.page.locator("#signin").wait_for(state="visible")


def test_an_owner_shows_the_code_and_a_guests_phone_types_it(
    house: Daemon, phone: Callable[..., ChatPage], make_page: Callable[..., ChatPage]
) -> None:
    owner = make_page().open(house.link())
    owner.page.locator("#household").click()
    dialog = owner.page.locator("dialog.household")
    dialog.get_by_label("Whose device is it?").select_option("new")
    dialog.get_by_label("Name").fill("Gus")
    dialog.get_by_label("May").select_option("guest")
    dialog.get_by_role("button", name="Show the code").click()
    code = dialog.locator(".digits")
    code.wait_for()
    assert dialog.locator("img.qr").evaluate("image => image.complete && image.naturalWidth > 50")
    guest = phone()
    guest.expected = re.compile(r"\b403\b")
    guest.page.goto(dialog.get_by_text("or open https://").inner_text().split()[2])
    guest.page.locator("#link").fill(code.inner_text())
    guest.page.locator("#signin-form button").click()
    guest.page.wait_for_selector("#app:not([hidden])")
    dialog.get_by_text("The device is in.").wait_for()
    assert dialog.locator(".things li").count() == 4, "two devices, two people"
    guest.page.locator("#open-drawer").click()
    guest.page.locator("#household").click()
    theirs = guest.page.locator("dialog.household")
    theirs.wait_for()
    assert theirs.locator(".things li").count() == 1
    assert theirs.get_by_role("button", name="Show the code").count() == 0
    dialog.get_by_role("button", name=re.compile("^Sign out")).click()
    guest.page.locator("#signin").wait_for(state="visible")


def test_the_page_about_trust_compares_with_the_code_that_was_scanned(
    house: Daemon, phone: Callable[..., ChatPage]
) -> None:
    page = phone()
    shown = paired(page, house)
    page.page.locator("#open-drawer").click()
    page.page.locator("#household").click()
    page.page.locator("a[href='/trust']").click()
    page.page.get_by_text("It is the one that was in the code").wait_for()
    assert page.page.locator("#fingerprint").inner_text() == shown["fingerprint"]
    with page.page.expect_download() as download:
        page.page.locator("#download").click()
    assert download.value.path().read_bytes() == download_authority(house)
    page.page.evaluate("() => sessionStorage.setItem('authority', '0'.repeat(64))")
    page.page.reload()
    page.page.get_by_text("It is NOT the one").wait_for()


def test_the_commands_pair_people_and_programs(house: Daemon) -> None:
    shown = house.cli("pair", "--new", "Mia", "--role", "member")
    assert re.search(r"https://127\.0\.0\.1:\d+/#signin=[\w-]+&ca=[0-9A-F]{64}\n", shown.stdout)
    assert re.search(r"type the code  \d{3} \d{3}\n", shown.stdout)
    token = house.cli("pair", "--token", "notes", "--scope", "chat").stdout.strip()
    listed = house.cli("pair", "--list").stdout
    assert "program (chat)  notes" in listed
    assert token not in listed + house.log
    identity = listed.split()[0]
    assert house.cli("pair", "--revoke", identity).returncode == 0
    again = house.cli("pair", "--revoke", identity)
    assert (again.returncode, again.stderr[:25]) == (1, "error: DEVICE_NOT_FOUND: ")
    assert house.cli("pair", "--user", "nobody").stderr.startswith("error: USER_NOT_FOUND: ")


def test_whoever_has_not_installed_the_authority_is_warned(house: Daemon, context: BrowserContext) -> None:
    shown = house.order(type="pair")
    with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        context.new_page().goto(shown["url"])


def test_a_chat_is_shared_with_those_who_live_here_and_never_with_guests(
    house: Daemon, phone: Callable[..., ChatPage], make_page: Callable[..., ChatPage]
) -> None:
    for name, role in (("Mia", "member"), ("Gus", "guest")):
        house.order(type="add_user", name=name, role=role)
    owner = make_page().open(house.link())
    assert owner.ask("What is tea?")
    owner.wait_until(lambda: owner.titles == ["What is tea?"])
    owner.page.locator(".session").hover()
    owner.page.get_by_label("Share “What is tea?” with the household").click()
    owner.page.get_by_text("Everybody who lives here sees this chat now.").wait_for()
    users = {each: identity for each, identity in ids_of_users(owner).items() if each}
    member, guest = phone(), phone()
    paired(member, house, user=users["Mia"])
    paired(guest, house, user=users["Gus"])
    member.page.locator("#open-drawer").click()
    member.wait_until(lambda: member.titles == ["What is tea?"])
    assert member.page.locator(".session .shared").count() == 1
    assert member.page.get_by_label("private again").count() == 0, "only who began it may take it back"
    member.page.locator(".session .pick").click()
    member.wait_until(lambda: member.questions == ["What is tea?"])
    assert member.ask("Is it hot?")
    owner.page.reload()
    owner.wait_until(lambda: owner.questions == ["What is tea?", "Is it hot?"])
    assert guest.titles == []


def ids_of_users(page: ChatPage) -> dict[str, str]:
    users = page.page.evaluate("() => fetch('/api/users').then((answer) => answer.json())")["users"]
    return {each["name"]: each["id"] for each in users}
