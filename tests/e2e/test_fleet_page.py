"""The operator's page in a real browser, with a real registrar and a device that asks to come in."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.daemon import run_cli

expect.set_options(timeout=60_000)  # milliseconds


class FleetPage:
    """`fleet page` as a process, and its page in a browser."""

    def __init__(self, operator, context):
        self.process = subprocess.Popen(
            (sys.executable, "-m", "edge_assistant", "fleet", "page"),
            env=operator.environ, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        self.page = context.new_page()
        self.errors = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(self.link)

    def row(self, name):
        return self.page.locator("#devices tr", has=self.page.get_by_role("cell", name=name, exact=True))

    def end(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0


@pytest.fixture
def fleet_page(operator, context):
    page = FleetPage(operator, context)
    yield page
    if page.process.poll() is None:
        page.end()


def test_the_operator_rules_the_fleet_from_the_page(operator, fleet_page, make_daemon, tmp_path):
    page = fleet_page.page
    expect(page.locator("#nobody")).to_contain_text("No device yet")
    assert "#" not in page.url, "the secret stays in the address bar"

    form = page.locator("#claim")
    form.get_by_label("Serial number").fill("b-1")
    form.get_by_label("Name").fill("kitchen")
    form.get_by_label("Groups").fill("bench ground")
    form.get_by_role("button").click()
    expect(page.locator("#token")).to_be_visible()
    token = page.locator("#token code").text_content()
    daemon = make_daemon(**operator.settings("b-1", token))

    row = fleet_page.row("kitchen")
    expect(row).to_contain_text("waits for approval")
    page.screenshot(path=tmp_path / "waits.png")
    row.get_by_role("button", name="Approve kitchen").click()
    expect(row).to_contain_text("bench ground")
    expect(row.locator(".ok", has_text="ok")).to_be_visible()

    page.get_by_label("Settings, one a line").fill("assistant.persona=concise\nassistant.name=Ada")
    page.locator("#desire").get_by_label("Group").select_option("bench")
    page.get_by_role("button", name="Begin the change").click()
    change = page.locator("#campaigns tr", has_text="assistant.persona=concise")
    expect(change).to_contain_text("1 of 1")
    change.get_by_role("button", name="Halt").click()
    page.get_by_role("dialog").get_by_role("button", name="Halt").click()
    expect(change).to_contain_text("halted")

    page.get_by_label("Settings, one a line").fill("web.port=1")
    page.get_by_role("button", name="Begin the change").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be set")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than a phone"

    page.get_by_label("Show only").fill("nobody")
    expect(page.locator("#nobody")).to_contain_text("No device fits")
    page.get_by_label("Show only").fill("b-1")
    row.get_by_role("button", name="Revoke kitchen").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert operator.device("kitchen")["state"] == "enrolled"
    row.get_by_role("button", name="Revoke kitchen").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("shut out")
    assert operator.device("kitchen")["state"] == "revoked"
    daemon.stop()
    fleet_page.end()
    expect(page.get_by_role("alert")).to_contain_text("start it again")
    assert all("409" in each or "CONNECTION" in each for each in fleet_page.errors), fleet_page.errors


def ask(link, key, body=b'{"type": "status"}', **headers):
    address = urlsplit(link)
    channel = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    channel.request("POST", "/order", body, {"Authorization": f"Bearer {key}", **headers})
    answer = channel.getresponse()
    content = json.loads(answer.read())
    channel.close()
    return answer.status, content


def test_who_has_not_the_link_orders_nothing(operator, fleet_page):
    link = fleet_page.link
    key = urlsplit(link).fragment
    assert urlsplit(link).hostname == "127.0.0.1"
    assert ask(link, key)[1]["devices"] == []
    for wrong in ("", key[:-1], f"{key}x", "é"):
        status, answer = ask(link, wrong.encode().decode("latin-1"), b'{"type": "claim", "wishes": [{}]}')
        assert (status, answer["error"]["code"]) == (403, "FLEET_PAGE_FORBIDDEN")
    for body in (b"", b"[]", b"nonsense", b"\xff", b'{"type": 1'):
        assert ask(link, key, body)[0] == 400
    assert ask(link, key, b'{"type": "nonsense"}')[1]["error"]["code"] == "USAGE"
    assert ask(link, key, b'{"folder": "/tmp"}')[1]["error"]["code"] == "USAGE"


def test_without_a_registrar_no_page_is_served(tmp_path):
    done = run_cli("fleet", "page", environ={"STATE_DIRECTORY": str(tmp_path)})
    assert done.returncode != 0
    assert "FLEET_REGISTRAR_NOT_RUNNING" in done.stderr
