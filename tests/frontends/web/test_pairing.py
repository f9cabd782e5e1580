from __future__ import annotations

import asyncio
import re
import socket
from hashlib import sha256
from xml.etree import ElementTree as ET

import aiohttp
import pytest
from cryptography import x509

from edge_assistant.frontends.web.addresses import Names
from tests.frontends.web.conftest import read_until

NAMES = Names(("kitchen", "kitchen.local", "localhost"), ("127.0.0.1", "::1"))


@pytest.fixture
async def house(serve):
    return await serve(lan=True, names=NAMES)


async def invited(site, **body):
    """What a signed-in owner is shown."""
    owner = await site.sign_in()
    async with owner.post("/api/pairings", json=body) as response:
        assert response.status == 201, await response.text()
        return owner, await response.json()


async def answer(session, method, path, **options):
    async with session.request(method, path, **options) as response:
        body = await response.read()
        return response.status, await response.json() if body else None


def token_in(url):
    return re.search(r"#signin=([\w-]+)", url)[1]


async def test_a_scanned_link_signs_a_phone_in_over_tls(house):
    owner, shown = await invited(house)
    assert shown["url"].startswith(f"https://127.0.0.1:{house.house.url.rpartition(':')[2]}/#signin=")
    assert shown["problem"] == ""
    phone = house.phone()
    async with phone.post(
        "/api/signin", json={"token": token_in(shown["url"])}, headers={"User-Agent": "Phone"}
    ) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-edge_session=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    status, me = await answer(phone, "GET", "/api/me")
    assert (status, me["user"]["role"]) == (200, "owner")
    status, state = await answer(owner, "GET", f"/api/pairings/{shown['id']}")
    assert (state["state"], state["device"]) == ("paired", me["device"])
    _, listed = await answer(owner, "GET", "/api/devices")
    assert next(each for each in listed["devices"] if each["id"] == me["device"])["name"] == "Phone"


async def test_the_fragment_names_the_authority_that_the_phone_can_fetch(house):
    _, shown = await invited(house)
    fingerprint = re.search(r"&ca=([0-9A-F]{64})$", shown["url"])[1]
    assert shown["fingerprint"].replace(":", "") == fingerprint
    async with house.phone().get("/ca.crt") as response:
        served = await response.read()
        assert response.content_type == "application/x-x509-ca-cert"
    assert sha256(served).hexdigest().upper() == fingerprint
    assert x509.load_der_x509_certificate(served) == house.house.certificates.authority
    _, trust = await answer(house.phone(), "GET", "/api/trust")
    assert trust["fingerprint"] == shown["fingerprint"]


async def test_the_qr_code_is_an_image_that_runs_nothing(house):
    _, shown = await invited(house)
    tree = ET.fromstring(shown["qr_svg"])
    kinds = {each.tag.rpartition("}")[2] for each in tree.iter()}
    assert kinds <= {"svg", "path", "g"}
    assert "http" not in shown["qr_svg"].replace("http://www.w3.org/2000/svg", "")


async def test_six_digits_let_a_phone_in_that_cannot_scan(house):
    _, shown = await invited(house)
    assert re.fullmatch(r"\d{6}", shown["code"])
    typed = f" {shown['code'][:3]} {shown['code'][3:]} "
    assert (await answer(house.phone(), "POST", "/api/signin", json={"code": typed}))[0] == 200


async def test_token_and_code_are_one_way_in(house):
    _, shown = await invited(house)
    assert (await answer(house.phone(), "POST", "/api/signin", json={"code": shown["code"]}))[0] == 200
    for body in ({"code": shown["code"]}, {"token": token_in(shown["url"])}):
        status, error = await answer(house.phone(), "POST", "/api/signin", json=body)
        assert status == 403, "a replay"
        assert error["error"]["code"] in {"SIGN_IN_CODE_WRONG", "SIGN_IN_LINK_USED"}


async def test_two_phones_with_one_link_pair_one(house):
    _, shown = await invited(house)
    body = {"token": token_in(shown["url"])}
    tries = [answer(house.phone(), "POST", "/api/signin", json=body) for _ in range(8)]
    assert sorted(status for status, _ in await asyncio.gather(*tries)) == [200] + [403] * 7


async def test_two_phones_with_two_invitations_pair_both(house):
    _, first = await invited(house)
    _, second = await invited(house)
    bodies = [{"code": first["code"]}, {"token": token_in(second["url"])}]
    tries = [answer(house.phone(), "POST", "/api/signin", json=body) for body in bodies]
    assert [status for status, _ in await asyncio.gather(*tries)] == [200, 200]


async def test_five_wrong_guesses_end_the_code_and_leave_the_link(house):
    owner, shown = await invited(house)
    wrong = f"{(int(shown['code']) + 1) % 10**6:06}"
    for left in (4, 3, 2, 1, 0):
        assert (await answer(house.phone(), "POST", "/api/signin", json={"code": wrong}))[0] == 403
        _, state = await answer(owner, "GET", f"/api/pairings/{shown['id']}")
        assert state["tries_left"] == left
    assert (await answer(house.phone(), "POST", "/api/signin", json={"code": shown["code"]}))[0] == 403
    assert (await answer(house.phone(), "POST", "/api/signin", json={"token": token_in(shown["url"])}))[
        0
    ] == 200


async def test_a_pairing_can_be_taken_back(house):
    owner, shown = await invited(house)
    assert (await answer(owner, "DELETE", f"/api/pairings/{shown['id']}"))[0] == 204
    assert (await answer(owner, "GET", f"/api/pairings/{shown['id']}"))[0] == 404
    assert (await answer(house.phone(), "POST", "/api/signin", json={"code": shown["code"]}))[0] == 403


async def test_a_phone_of_a_guest_is_a_guests(house):
    owner = await house.sign_in()
    _, guest = await answer(owner, "POST", "/api/users", json={"name": "Gus", "role": "guest"})
    _, shown = await invited(house, user=guest["id"])
    phone = house.phone()
    await answer(phone, "POST", "/api/signin", json={"token": token_in(shown["url"])})
    assert (await answer(phone, "GET", "/api/me"))[1]["user"] == guest
    assert (await answer(phone, "GET", "/api/users"))[0] == 403
    assert (await answer(phone, "GET", "/api/sessions"))[0] == 200
    _, devices = await answer(phone, "GET", "/api/devices")
    assert [each["current"] for each in devices["devices"]] == [True]


async def test_nobody_ends_the_device_of_somebody_else_but_the_owner(house):
    guest = await house.people.users.add("Gus", "guest")
    owner, phone = await house.sign_in(), await house.sign_in(guest.id)
    device = (await answer(owner, "GET", "/api/me"))[1]["device"]
    assert (await answer(phone, "DELETE", f"/api/devices/{device}"))[0] == 404
    own = (await answer(phone, "GET", "/api/me"))[1]["device"]
    assert (await answer(owner, "DELETE", f"/api/devices/{own}"))[0] == 204
    assert (await answer(phone, "GET", "/api/me"))[0] == 403


async def test_revoking_drops_sockets_and_streams_at_once(house, assistant):
    phone = house.phone()
    owner, shown = await invited(house)
    await answer(phone, "POST", "/api/signin", json={"token": token_in(shown["url"])})
    device = (await answer(phone, "GET", "/api/me"))[1]["device"]
    stream = await phone.post(
        "/api/chat", json={"text": "x", "id": "t1"}, headers={"Accept": "text/event-stream"}
    )
    async with phone.ws_connect("/api/ws") as socket, owner.ws_connect("/api/ws") as stays:
        await socket.send_json({"type": "message", "id": "t2", "session": "s", "text": "x"})
        await read_until(socket, "turn.started")
        closed = asyncio.create_task(socket.receive(timeout=60))
        assert (await answer(owner, "DELETE", f"/api/devices/{device}"))[0] == 204
        assert (await closed).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1008
        assert not stays.closed
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(stream.content.read(), 60)
    assistant.say("t2", "goes on")
    assert not assistant.stopped


async def test_a_change_of_role_is_felt_at_once(house):
    member = await house.people.users.add("Mia", "owner")
    owner, phone = await house.sign_in(), await house.sign_in(member.id)
    assert (await answer(phone, "GET", "/api/users"))[0] == 200
    async with phone.ws_connect("/api/ws") as socket:
        closed = asyncio.create_task(socket.receive(timeout=60))
        assert (await answer(owner, "PATCH", f"/api/users/{member.id}", json={"role": "guest"}))[0] == 200
        assert (await closed).type is aiohttp.WSMsgType.CLOSE
    assert (await answer(phone, "GET", "/api/users"))[0] == 403


async def test_who_is_removed_is_gone_with_everything(house, conversations):
    member = await house.people.users.add("Mia", "member")
    owner, phone = await house.sign_in(), await house.sign_in(member.id)
    assert (await answer(phone, "POST", "/api/sessions", json={"title": "Mine"}))[0] == 201
    await house.people.devices.add_program(member.id, "reader")
    assert (await answer(owner, "DELETE", f"/api/users/{member.id}"))[0] == 204
    assert (await answer(phone, "GET", "/api/me"))[0] == 403
    assert await conversations.sessions(member.id) == []
    assert [each.user for each in await house.people.devices.list()] == ["owner"]


async def test_the_owner_stays(house):
    owner = await house.sign_in()
    for method, body in (("PATCH", {"role": "guest"}), ("DELETE", None)):
        status, error = await answer(owner, method, "/api/users/owner", json=body)
        assert (status, error["error"]["code"]) == (400, "USER_IS_OWNER")


async def test_the_house_knows_the_device_by_its_names_and_addresses_only(house):
    port = house.house.url.rpartition(":")[2]
    for host, status in [
        ("kitchen.local", 200), ("kitchen", 200), ("127.0.0.1", 200),
        ("192.168.1.20", 403), ("evil.example", 403), ("kitchen.local.evil.example", 403),
    ]:  # fmt: skip
        headers = {"Host": f"{host}:{port}"}
        assert (await answer(house.phone(), "GET", "/healthz", headers=headers))[0] == status, host


async def test_a_cookie_of_the_plain_page_is_none_of_the_encrypted_one(house):
    cookie = await house.cookie()
    for name in ("edge_session", "__Host-edge_session"):
        headers = {"Cookie": f"{name}={cookie}"}
        expected = 200 if name.startswith("__Host-") else 403
        assert (await answer(house.phone(), "GET", "/api/me", headers=headers))[0] == expected


async def test_a_taken_port_leaves_the_page_on_this_machine(serve):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        site = await serve(lan=True, names=NAMES, tls_port=port)
    _, shown = await invited(site)
    assert f"port {port}" in shown["problem"]
    assert shown["url"].startswith(site.url)
    assert (await answer(site.client(), "GET", "/ca.crt"))[0] == 404


async def test_without_the_house_a_link_is_for_this_machine(site):
    _, shown = await invited(site)
    assert shown["url"] == shown["local_url"]
    assert "web.lan" in shown["problem"]
    assert (await answer(site.client(), "POST", "/api/signin", json={"token": token_in(shown["url"])}))[
        0
    ] == 200


async def test_a_program_uses_its_token_within_its_scope(house):
    owner = await house.sign_in()
    body = {"name": "notes", "scopes": ["chat"]}
    _, made = await answer(owner, "POST", "/api/tokens", json=body)
    program = house.phone()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await answer(program, "GET", "/api/sessions", headers=headers))[0] == 200
    assert (await answer(program, "GET", "/api/status", headers=headers))[0] == 403
    _, listed = await answer(owner, "GET", "/api/devices")
    assert ["chat"] in [each["scopes"] for each in listed["devices"]]
    assert made["token"] not in str(listed)
