# ruff: noqa: E501 - a line of Markdown stands as it is written
"""The page's Markdown: what it draws, and what it never lets through. Drawn by the real modules."""

# ruff: noqa: E501 - tables of hostile text are read best as they are
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.e2e.page_chat import ChatPage

WHOLE = """async (text) => {
    const { markdownNodes } = await import("/static/markdown.js");
    const box = document.createElement("div");
    box.append(...markdownNodes(text));
    return box.innerHTML;
}"""

GROWING = """async (texts) => {
    const { LiveMarkdown } = await import("/static/markdown.js");
    return texts.map((text) => {
        const box = document.createElement("div");
        const whole = document.createElement("div");
        const live = new LiveMarkdown(box);
        for (let end = 1; end <= text.length; end += 7) live.draw(text.slice(0, end));
        live.finish(text);
        new LiveMarkdown(whole).finish(text);
        return [text, box.innerHTML === whole.innerHTML];
    }).filter(([, same]) => !same).map(([text]) => text);
}"""

HOSTILE = """async (texts) => {
    const { LiveMarkdown } = await import("/static/markdown.js");
    const tags = new Set("P,H3,H4,H5,H6,HR,BLOCKQUOTE,UL,OL,LI,DIV,PRE,CODE,SPAN,BUTTON,TABLE,THEAD,TBODY,TR,TH,TD,STRONG,EM,DEL,BR,A,svg,path".split(","));
    const names = new Set("class,start,href,target,rel,tabindex,role,aria-label,aria-hidden,type,viewBox,d".split(","));
    const found = [];
    for (const text of texts) {
        const box = document.createElement("div");
        document.querySelector("#log").replaceChildren(box);
        const live = new LiveMarkdown(box);
        live.draw(text.slice(0, text.length / 2));
        live.draw(text);
        live.finish(text);
        for (const node of box.querySelectorAll("*")) {
            if (!tags.has(node.nodeName)) found.push([text, node.nodeName]);
            for (const { name, value } of node.attributes) {
                if (!names.has(name)) found.push([text, name]);
                if (name === "href" && !/^(https?:|mailto:)/.test(value)) found.push([text, value]);
                if (name === "href" && node.rel !== "noopener noreferrer") found.push([text, node.rel]);
            }
        }
    }
    document.querySelector("#log").replaceChildren();
    return found;
}"""

PIECES = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "javascript:alert(1)",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](data:text/html,<script>1</script>)", "[x](//evil.example)",
    "![x](https://evil.example/x.png)", "![x](javascript:1)", '<https://evil.example/">', "<javascript:1>", "&#106;avascript:",
    '[x](https://a.example" onclick="1)', '[x](<https://a.example> "t" onmouseover=1)', "[a](vbscript:1)", "[a]( \tjavascript:1)",
    "\x00", "\u202e", "\u2028", "]]>", "<!--", "-->", "<style>*{}</style>", "<iframe src=//evil.example>", "<a href=x>",
    "```html\n", "```\n", "~~~\n", "`", "``", "**", "*", "__", "_", "~~", "[", "](", "]", ")", "!", "\\", "|", "\n|--|--|\n",
    "\n", "\n\n", "> ", "- ", "1. ", "    ", "\t", "# ", "---\n", "word", "ünï", "😀", "http://", "https://a.example/?q=<b>",
)  # fmt: skip


def corpus(count: int, longest: int = 25) -> list[str]:
    dice = random.Random(20261124)
    return ["".join(dice.choices(PIECES, k=dice.randint(1, longest))) for _ in range(count)]


@pytest.fixture(scope="module")
def cases() -> list[tuple[str, str]]:
    """What is written, and what must be drawn."""
    link = 'target="_blank" rel="noopener noreferrer"'
    return [
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("# a\n## b ##\n####### c", "<h3>a</h3><h4>b</h4><p>####### c</p>"),
        ("**a** *b* ***c*** __d__ _e_ ~~f~~", "<p><strong>a</strong> <em>b</em> <strong><em>c</em></strong> <strong>d</strong> <em>e</em> <del>f</del></p>"),
        ("2 * 3 * 4, snake_case_name, \\*no\\*", "<p>2 * 3 * 4, snake_case_name, *no*</p>"),
        ("`a*b*` `` ` ``", "<p><code>a*b*</code> <code>`</code></p>"),
        ("1. a\n2. b\n   - c\n   - d\n3. e", "<ol><li>a</li><li>b<ul><li>c</li><li>d</li></ul></li><li>e</li></ol>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n\n- b\n\n  c", "<ul><li>a</li><li>b<p>c</p></li></ul>"),
        ("* a\n    * b", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("text\n- a", "<p>text</p><ul><li>a</li></ul>"),
        ("> a\n> > b\n\nc", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>"),
        ("a\n\n***\n\nb", "<p>a</p><hr><p>b</p>"),
        ('[a](https://b.example/c_(d) "t")', f'<p><a href="https://b.example/c_(d)" {link}>a</a></p>'),
        ("https://b.example/a_b.", f'<p><a href="https://b.example/a_b" {link}>https://b.example/a_b</a>.</p>'),
        ("![cat](https://b.example/c.png)", f'<p><a href="https://b.example/c.png" {link}>Image: cat</a></p>'),
        ("[a](javascript:alert(1))", "<p><span>a</span></p>"),
        ("<b>x</b> <|im_end|>", "<p>&lt;b&gt;x&lt;/b&gt; &lt;|im_end|&gt;</p>"),
        ("a<br>b", "<p>a<br>b</p>"),
    ]  # fmt: skip


def test_markdown_becomes_the_expected_nodes(chat: ChatPage, cases: list[tuple[str, str]]) -> None:
    drawn = [(text, chat.page.evaluate(WHOLE, text)) for text, _ in cases]
    assert drawn == cases


def test_code_has_its_language_and_a_button_that_copies_it(chat: ChatPage) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.page.evaluate(
        """async (text) => {
            const { markdownNodes } = await import("/static/markdown.js");
            document.querySelector("#log").append(...markdownNodes(text));
        }""",
        "```python\ndef f():\n    return '<b>'\n```",
    )
    assert chat.page.locator(".code-bar span").first.inner_text() == "python"
    chat.page.locator(".copy-code").click()
    chat.wait_until(lambda: "Copied" in chat.page.locator(".code-bar").inner_text())
    assert chat.page.evaluate("() => navigator.clipboard.readText()") == "def f():\n    return '<b>'"
    chat.wait_until(lambda: chat.page.locator(".copy-code").inner_text() == "Copy")


def test_a_table_is_drawn_with_its_alignment(chat: ChatPage) -> None:
    html: str = chat.page.evaluate(WHOLE, "| a | b |\n|:--|--:|\n| `x|y` | 1 |\n| only |")
    assert '<th class="align-start">a</th><th class="align-end">b</th>' in html
    assert '<td class="align-start"><code>x|y</code></td><td class="align-end">1</td>' in html
    assert '<td class="align-start">only</td><td class="align-end"></td>' in html


def test_hostile_text_makes_no_script_handler_or_foreign_request(chat: ChatPage) -> None:
    """`make_page` checks at the end that no request left for another host and nothing ran."""
    dialogs: list[Any] = []
    chat.page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    assert chat.page.evaluate(HOSTILE, [*PIECES, *corpus(1500)]) == []
    assert dialogs == []


def test_text_drawn_as_it_grows_ends_as_text_drawn_at_once(chat: ChatPage) -> None:
    assert chat.page.evaluate(GROWING, corpus(300, 40)) == []


def test_absurd_text_is_drawn_without_hanging(chat: ChatPage) -> None:
    absurd = ["*a " * 8000, "[" * 30000, "> " * 15000, "`a``" * 8000, "- " * 15000 + "x", "|" * 30000, "_a*" * 10000, "[a](" * 8000, "<" * 30000, "#" * 30000]  # fmt: skip
    for text in absurd:
        assert len(chat.page.evaluate(WHOLE, text)) > 100
