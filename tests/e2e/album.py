"""Pictures of the page as tests see it; `make pictures` puts them where the README shows them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from tests.e2e.page_chat import ChatPage

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


class Album:
    """Keeps pictures in `$EDGE_ASSISTANT_PICTURES`, else where nobody looks: taking them is tested too."""

    def __init__(self, elsewhere: Path) -> None:
        self.folder = Path(os.environ.get("EDGE_ASSISTANT_PICTURES") or elsewhere)

    def keep(self, chat: ChatPage, name: str) -> None:
        """Take pictures of what is on the screen, in light and dark, without a blinking cursor."""
        for scheme in SCHEMES:
            chat.page.emulate_media(color_scheme=scheme)
            chat.page.locator(f"html[data-theme={scheme}]").wait_for()
            path = self.folder / f"{name}-{scheme}.png"
            chat.page.screenshot(path=path, animations="disabled", caret="hide")
            assert path.stat().st_size > 5_000, "the page is not blank"
