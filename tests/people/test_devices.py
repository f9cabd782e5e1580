from __future__ import annotations

import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.people.devices import MAX_DEVICES, SEEN_SECONDS, SIGN_IN_SECONDS, TOKEN_PREFIX
from edge_assistant.people.person import SCOPES
from edge_assistant.people.uptime import uptime


async def paired(people, user="owner", name="Phone"):
    return await people.pairings.use_token((await people.pairings.begin(user)).token, name)


async def test_a_device_is_known_by_its_secret_also_after_a_restart(lives):
    people = await lives.start()
    device, secret = await paired(people)
    people = await lives.start()
    found = await people.devices.find(secret)
    assert (found.device, found.user, found.role) == (device.id, "owner", "owner")
    assert await people.devices.find(secret + "x") is None


async def test_browsers_and_programs_are_not_mistaken_for_each_other(people):
    _, cookie = await paired(people)
    _, token = await people.devices.add_program("owner", "notes")
    assert token.startswith(TOKEN_PREFIX)
    assert await people.devices.find(cookie, "program") is None
    assert await people.devices.find(token, "browser") is None
    assert (await people.devices.find(token, "program")).scopes == {"chat", "status"}


async def test_a_browser_in_use_stays_signed_in(people, clock):
    _, cookie = await paired(people)
    for _ in range(3):
        clock.now += SIGN_IN_SECONDS - 1
        assert await people.devices.find(cookie) is not None


async def test_a_browser_unseen_for_half_a_year_ends_and_a_token_when_it_is_revoked(people, clock):
    _, cookie = await paired(people)
    program, token = await people.devices.add_program("owner", "notes")
    clock.now += SIGN_IN_SECONDS
    assert await people.devices.find(cookie) is None
    assert await people.devices.find(token, "program") is not None
    await people.devices.revoke(program.id)
    assert await people.devices.find(token, "program") is None


@pytest.mark.parametrize("then", [0.0, 1_800_000_000.0 - 86_400])
async def test_a_clock_that_starts_wrong_locks_nobody_out(lives, clock, then):
    _, cookie = await paired(await lives.start())
    clock.now = then
    assert await (await lives.start()).devices.find(cookie) is not None


async def test_being_seen_is_noted_at_most_hourly(people, clock):
    _, cookie = await paired(people)
    for seconds, seen in ((SEEN_SECONDS - 1, 0), (1, SEEN_SECONDS)):
        clock.now += seconds
        await people.devices.find(cookie)
        assert (await people.devices.list())[0].last_seen_at == 1_800_000_000.0 + seen


async def test_rights_follow_the_role_at_once(people):
    user = await people.users.add("Mia", "owner")
    _, cookie = await paired(people, user.id)
    assert (await people.devices.find(cookie)).may("owner", "manage")
    await people.users.change(user.id, role="guest")
    people.devices.forget()
    found = await people.devices.find(cookie)
    assert found.may("guest", "manage")
    assert not found.may("member", "manage")


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_program_may_what_its_scopes_say(people, scope):
    _, token = await people.devices.add_program("owner", "notes", [scope])
    found = await people.devices.find(token, "program")
    assert [each for each in SCOPES if found.may("owner", each)] == [scope]


async def test_the_browser_unseen_longest_makes_room_and_programs_never_do(people, clock):
    _, token = await people.devices.add_program("owner", "notes")
    cookies = []
    for _ in range(MAX_DEVICES):
        clock.now += 1
        cookies.append((await paired(people))[1])
    assert len(await people.devices.list()) == MAX_DEVICES
    assert await people.devices.find(cookies[0]) is None
    assert await people.devices.find(cookies[-1]) is not None
    assert await people.devices.find(token, "program") is not None


async def test_a_name_is_one_plain_line(people):
    device, _ = await paired(people, name="Pho\x1b[31mne\n" + "x" * 500)
    assert device.name.startswith("Pho [31mne x")
    assert len(device.name) == 80
    with pytest.raises(EdgeError) as error:
        await people.devices.add_program("owner", " \n")
    assert error.value.code == "DEVICE_NAME_EMPTY"


async def test_what_is_revoked_twice_or_by_a_stranger_is_not_found(people):
    user = await people.users.add("Gus", "guest")
    device, _ = await paired(people)
    with pytest.raises(EdgeError):
        await people.devices.revoke(device.id, user.id)
    await people.devices.revoke(device.id)
    for identity in (device.id, "", "\udcff"):
        with pytest.raises(EdgeError) as error:
            await people.devices.revoke(identity)
        assert error.value.code == "DEVICE_NOT_FOUND"


async def test_people_get_ids_that_nobody_had(people):
    first = await people.users.add("  Ünal\tÖz ", "member")
    await people.users.remove(first.id)
    second = await people.users.add("Ünal Öz", "member")
    assert first.name == second.name == "Ünal Öz"
    assert first.id != second.id
    assert [each.id for each in await people.users.list()] == ["owner", second.id]


async def test_the_owner_is_there_and_stays(people):
    for act in (people.users.remove("owner"), people.users.change("owner", role="guest")):
        with pytest.raises(EdgeError) as error:
            await act
        assert error.value.code == "USER_IS_OWNER"
    assert (await people.users.change("owner", name="Ann")).name == "Ann"


def test_uptime_only_grows():
    first, second = uptime(), uptime()
    assert first.boot == second.boot
    assert first.seconds <= second.seconds
