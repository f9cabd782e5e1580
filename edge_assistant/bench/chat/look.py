"""The page in a real browser: how much of it is transferred, how soon it is seen, and for whom it works."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from edge_assistant.bench.device import Device, running_device
from edge_assistant.bench.goal import Goal, Result
from edge_assistant.bench.measurement import CannotMeasureError, Measurement, Setting
from edge_assistant.bench.statistic import spread

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
SLOW_DOWN = 4
ANSWER_MS = 120_000

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 800}}
LOOKS: tuple[tuple[dict[str, Any], Literal["light", "dark"], str], ...] = (
    (PHONE, "light", "en-US"),
    (DESK, "dark", "de-DE"),
    (PHONE, "dark", "de-DE"),
    (DESK, "light", "en-US"),
)
"""Devices, colours and languages in which the page is looked at."""


def _script(name: str) -> str:
    """Return a function in JavaScript, without the comment above it."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8").partition("\n")[2]


PAINTED = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
        for (const each of list.getEntriesByName("first-contentful-paint")) resolve(each.startTime);
    }).observe({ type: "paint", buffered: true });
})"""
MARK = """() => {
    document.querySelector(".wizard .dialog-actions button").dataset.old = "";
}"""
FOCUSED = """() => {
    const node = document.activeElement;
    const { outlineStyle } = getComputedStyle(node);
    const around = node.closest(".composer");
    const seen = outlineStyle !== "none" || (around && getComputedStyle(around).boxShadow !== "none");
    return [Number(node.dataset.stop ?? -1), Boolean(seen), `${node.tagName} ${node.id} ${node.className}`];
}"""

_TEXT = (
    "Page ≤ 120 KB transferred, first paint ≤ 1 s in Chromium at 4× CPU slow-down, no console error, "
    "no request to another host, contrast, labels and focus order checked by script"
)
TRANSFERRED = Goal(metric="page transferred until it is ready", unit="KB", text=_TEXT, at_most=120)
PAINT = Goal(metric="first contentful paint at 4× CPU slow-down", unit="s", text=_TEXT, at_most=1)
NOISE = Goal(metric="console errors and requests to other hosts", unit="count", text=_TEXT, at_most=0)
COMPLAINTS = Goal(
    metric="complaints of the script about contrast, labels and focus order",
    unit="count",
    text=_TEXT,
    at_most=0,
)


class Seen(msgspec.Struct):
    """What came of it."""

    bytes: list[int] = []
    paint_seconds: list[float] = []
    noise: list[str] = []
    complaints: list[str] = []
    views: int = 0
    """How many states of the page were looked at."""


@asynccontextmanager
async def _browser() -> AsyncIterator[Browser]:
    """Start the browser that is installed; raises `CannotMeasureError` when there is none."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise CannotMeasureError("this needs Playwright: `make test` installs it") from None
    if program is None:
        raise CannotMeasureError("this needs Chromium: `make test` installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


async def _look(setting: Setting) -> Seen:
    seen = Seen()
    async with _browser() as browser, running_device(setting) as device:
        await device.wait_for_model()
        await _set_up(browser, device, seen, thorough=not setting.quick)
        for _ in range(setting.count(7, 2)):
            await _load(browser, device, seen)
        for options, scheme, locale in LOOKS[: setting.count(len(LOOKS), 1)]:
            context = await browser.new_context(
                **options, color_scheme=scheme, locale=locale, reduced_motion="reduce"
            )
            await _audit(await _open(context, device, seen), seen, thorough=not setting.quick)
            await context.close()
    return seen


async def _open(context: BrowserContext, device: Device, seen: Seen) -> Page:
    """Open the page by a sign-in link, and note all that should not be."""
    link = (await device.order("link"))["url"]
    host = urlsplit(link).netloc
    page = await context.new_page()

    def requested(request: Request) -> None:
        if urlsplit(request.url).netloc not in {host, ""}:
            seen.noise.append(f"request to {urlsplit(request.url).netloc}")

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.noise.append(message.text)

    page.on("console", told)
    page.on("pageerror", lambda error: seen.noise.append(str(error)))
    page.on("request", requested)
    await page.goto(link)
    await page.wait_for_selector("#app:not([hidden])")
    return page


async def _set_up(browser: Browser, device: Device, seen: Seen, *, thorough: bool) -> None:
    """Go through the wizard of the first visit on a phone; it never comes again."""
    context = await browser.new_context(**PHONE, locale="en-US", reduced_motion="reduce")
    page = await _open(context, device, seen)
    wizard = page.locator("dialog.wizard")
    for button in (*["Next"] * 5, "Done") if thorough else ("Later",):
        await wizard.locator(f".dialog-actions button:text-is('{button}')").wait_for()
        await _check(page, seen)
        await page.evaluate(MARK)
        await wizard.get_by_role("button", name=button, exact=True).click()
        await wizard.locator("[data-old]").wait_for(state="detached")
    await wizard.wait_for(state="detached")
    await context.close()


async def _load(browser: Browser, device: Device, seen: Seen) -> None:
    """Load the page with an empty cache on a slow processor, as somebody who is signed in."""
    context = await browser.new_context(service_workers="block")
    page = await _open(context, device, seen)
    client = await context.new_cdp_session(page)
    await client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await client.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
    sizes: list[int] = []
    await client.send("Network.enable")
    client.on("Network.loadingFinished", lambda each: sizes.append(int(each["encodedDataLength"])))
    await page.reload()
    await page.wait_for_selector("#app:not([hidden])")
    await page.wait_for_load_state("networkidle")
    seen.paint_seconds.append(float(await page.evaluate(PAINTED)) / 1000)
    seen.bytes.append(sum(sizes))
    await context.close()


async def _audit(page: Page, seen: Seen, *, thorough: bool) -> None:
    """Look at the page in its states as a reviewer would."""
    await _check(page, seen)
    await page.locator("#message").fill("Say yes.")
    await page.locator("#send").click()
    await page.locator(".answer[aria-busy=false]").wait_for(timeout=ANSWER_MS)
    await page.locator(".session.current").wait_for(state="attached")
    await _check(page, seen)
    opener = page.locator("#open-drawer")
    if await opener.is_visible():
        await opener.click()
        await _check(page, seen)
    await page.locator("#settings").click()
    dialog = page.locator("dialog.panels")
    await dialog.locator(".panel h3").first.wait_for()
    panels = await dialog.locator("[data-panel]").evaluate_all("tabs => tabs.map((tab) => tab.dataset.panel)")
    for panel in panels if thorough else panels[:1]:
        await dialog.locator(f"[data-panel={panel}]").click()
        await dialog.locator(".panel h3").first.wait_for()
        await _check(page, seen)
    await page.keyboard.press("Escape")
    if thorough:
        await page.locator("#household").click()
        await page.locator("dialog.household .things li").first.wait_for()
        await _check(page, seen)


async def _check(page: Page, seen: Seen) -> None:
    """Gather what the audit says, and go round with Tab: in the document's order, and always seen."""
    seen.views += 1
    seen.complaints += await page.evaluate(_script("audit.js"))
    complaints = await _go_round(page)
    if complaints:  # what was counted may have been drawn anew, as the list of chats is after an answer
        complaints = await _go_round(page)
    seen.complaints += complaints


_OWN_STOPS = 8
"""Browsers put some of their own between the last and the first, and stop at each part of a date."""


async def _go_round(page: Page) -> list[str]:
    """Return what is wrong with going through the page by keyboard."""
    count = int(await page.evaluate(_script("focus.js")))
    stops: list[Any] = []
    for _ in range(count + _OWN_STOPS):
        await page.keyboard.press("Tab")
        stops.append(await page.evaluate(FOCUSED))
    await page.evaluate("() => document.activeElement.blur()")
    order = [index for index, _, _ in stops if index >= 0]
    complaints = [f"focus not seen on {name}" for index, shown, name in stops if index >= 0 and not shown]
    if set(order) != set(range(count)):
        complaints.append(f"Tab reaches {len(set(order))} of {count}")
    elif not _goes_round(order, count):
        complaints.append(f"Tab does not follow the document: {order}")
    return complaints


def _goes_round(order: list[int], count: int) -> bool:
    """Return whether each stop is followed by the next one, wherever it began."""
    return all((after - before) % count in {0, 1} for before, after in pairwise(order))


def measure(setting: Setting) -> Iterator[Result]:
    """Load and look at the page of a device of its own."""
    seen = asyncio.run(_look(setting))
    loads = f"n={len(seen.bytes)} loads with an empty cache"
    yield TRANSFERRED.measured(max(seen.bytes) / 1024, f"the largest of {loads}, headers and API answers too")
    yield PAINT.measured(
        max(seen.paint_seconds), f"the slowest of {loads}: {spread(seen.paint_seconds, 's')}"
    )
    yield NOISE.measured(len(seen.noise), _note(seen, seen.noise))
    yield COMPLAINTS.measured(len(seen.complaints), _note(seen, seen.complaints))


def _note(seen: Seen, found: list[str]) -> str:
    note = f"in {seen.views} states of the page, on phone and desk, light and dark, in English and German"
    return note + (f"; first: {'; '.join(found[:3])}" if found else "")


MEASUREMENTS = (Measurement((TRANSFERRED, PAINT, NOISE, COMPLAINTS), measure),)
