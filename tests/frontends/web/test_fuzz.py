"""Whatever is sent to whatever route: a clear refusal or an answer, never a defect, never somebody else's."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORDS = (
    "token", "code", "name", "user", "role", "scopes", "title", "visibility", "text", "session", "id",
    "model", "messages", "input", "stream", "language", "persona",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["owner", "guest", "household", "private", "chat", "\x00", "\ud800", "a" * 600]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
BODIES = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6).map(
    lambda body: json.dumps(body).encode()
) | st.binary(max_size=40)
PARTS = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=20) | st.sampled_from(
    ["owner", "s1", "..", "%00", "%ff", "%2e%2e%2f", "a" * 300, "'; DROP TABLE users; --"]
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_finds_a_defect(site, assistant, data):
    assistant.script = ("fine",)
    person = await site.sign_in()
    table = [(each.method, each.resource.canonical) for each in site.server._runner.app.router.routes()]
    calls = [each for each in table if each[1] != "/api/signout"]
    method, path = data.draw(st.sampled_from(sorted(set(calls))))
    path = path.replace("{id}", data.draw(PARTS)).replace("{name}", data.draw(PARTS))
    body = b"" if method in {"GET", "HEAD"} else data.draw(BODIES)
    headers = {"Content-Type": data.draw(st.sampled_from(["application/json", "text/plain", "x"]))}
    async with person.request(method, path, data=body or None, headers=headers) as response:
        assert response.status < 500 or response.status in {501, 503}, (
            method,
            path,
            body,
            await response.text(),
        )
        if response.status >= 400 and method != "HEAD":
            assert (await response.json())["error"].keys() >= {"code", "message"} or path.startswith("/v1/")
