from __future__ import annotations

import asyncio

import pytest

from edge_assistant.bench.chat.pairing import Attacker
from edge_assistant.errors import EdgeError, ForbiddenError, ThrottledError
from edge_assistant.people.pairings import MAX_PAIRINGS, MAX_TRIES, PAIRING_SECONDS
from edge_assistant.people.throttle import MAX_FAILURES, WINDOW_SECONDS


def wrong(code, by=1):
    return f"{(int(code) + by) % 10**6:06}"


async def refused(pairings, code):
    with pytest.raises(ForbiddenError) as error:
        await pairings.use_code(code)
    return error.value.code


async def test_endless_guessing_across_restarts_gets_five_tries_a_code(tmp_path):
    attack = await Attacker(tmp_path, seed=7).run(100_000, restarts=50)
    assert attack.guesses == 100_000
    assert attack.codes > 10
    assert 1 < attack.latest_taken <= MAX_TRIES
    assert attack.most_a_minute <= 2 * MAX_FAILURES


async def test_a_restart_gives_no_guess_back(lives, clock):
    people = await lives.start()
    pairing = await people.pairings.begin("owner")
    for number in range(MAX_TRIES):
        people = await lives.start()
        assert await refused(people.pairings, wrong(pairing.code, number + 1)) == "SIGN_IN_CODE_WRONG"
    people = await lives.start()
    assert await refused(people.pairings, pairing.code) == "SIGN_IN_CODE_WRONG"
    await people.pairings.use_token(pairing.token)


async def test_the_fifth_guess_may_be_the_right_one(people):
    pairing = await people.pairings.begin("owner")
    for number in range(MAX_TRIES - 1):
        await refused(people.pairings, wrong(pairing.code, number + 1))
    await people.pairings.use_code(pairing.code)


async def test_a_guess_counts_against_every_open_code(people):
    pairings = [await people.pairings.begin("owner") for _ in range(3)]
    guess = next(f"{n:06}" for n in range(4) if f"{n:06}" not in {each.code for each in pairings})
    for _ in range(MAX_TRIES):
        await refused(people.pairings, guess)
    for pairing in pairings:
        assert await refused(people.pairings, pairing.code) == "SIGN_IN_CODE_WRONG"


async def test_guesses_at_once_are_counted_one_by_one(people):
    pairing = await people.pairings.begin("owner")
    guesses = [people.pairings.use_code(wrong(pairing.code, number + 1)) for number in range(MAX_FAILURES)]
    await asyncio.gather(*guesses, return_exceptions=True)
    assert (await people.pairings.state(pairing.id)).tries_left == 0


async def test_a_throttle_survives_a_restart_of_program_and_machine(lives, clock):
    people = await lives.start()
    for _ in range(MAX_FAILURES):
        await refused(people.pairings, "000000")
    people = await lives.start()
    with pytest.raises(ThrottledError) as throttled:
        await people.pairings.use_code("000000")
    assert throttled.value.retry_after == WINDOW_SECONDS
    clock.boot, clock.up = "next", 20.0
    people = await lives.start()
    with pytest.raises(ThrottledError) as throttled:
        await people.pairings.use_code("000000")
    assert throttled.value.retry_after == WINDOW_SECONDS - 20
    clock.up = WINDOW_SECONDS
    await refused(people.pairings, "000000")


async def test_a_throttled_guess_is_not_even_compared(people):
    for _ in range(MAX_FAILURES):
        await refused(people.pairings, "000000")
    pairing = await people.pairings.begin("owner")
    with pytest.raises(ThrottledError):
        await people.pairings.use_code(pairing.code)
    assert (await people.pairings.state(pairing.id)).tries_left == MAX_TRIES


@pytest.mark.parametrize("skew", [-(10**9), -3600.0, 3600.0, 10**9])
async def test_no_clock_ends_or_prolongs_a_pairing(lives, clock, skew):
    people = await lives.start()
    first, second = [await people.pairings.begin("owner") for _ in range(2)]
    clock.now += skew
    clock.up += PAIRING_SECONDS - 1
    people = await lives.start()
    await people.pairings.use_code(first.code)
    clock.up += 1
    assert await refused(people.pairings, second.code) == "SIGN_IN_CODE_WRONG"
    with pytest.raises(ForbiddenError):
        await people.pairings.use_token(second.token)


async def test_a_restart_of_the_machine_ends_pairings(lives, clock):
    people = await lives.start()
    pairing = await people.pairings.begin("owner")
    clock.boot, clock.up = "next", 1.0
    people = await lives.start()
    await refused(people.pairings, pairing.code)
    with pytest.raises(EdgeError) as error:
        await people.pairings.state(pairing.id)
    assert error.value.code == "PAIRING_NOT_FOUND"


async def test_a_token_works_once_also_after_a_restart(lives):
    people = await lives.start()
    pairing = await people.pairings.begin("owner", with_code=False)
    assert pairing.code == ""
    await people.pairings.use_token(pairing.token)
    people = await lives.start()
    with pytest.raises(ForbiddenError):
        await people.pairings.use_token(pairing.token)


async def test_beyond_sixteen_pairings_the_oldest_ends(people):
    pairings = [await people.pairings.begin("owner") for _ in range(MAX_PAIRINGS + 1)]
    assert len({each.code for each in pairings}) == MAX_PAIRINGS + 1
    with pytest.raises(ForbiddenError):
        await people.pairings.use_token(pairings[0].token)
    for pairing in pairings[1:]:
        await people.pairings.use_token(pairing.token)


async def test_tokens_have_128_random_bits_and_lie_nowhere_in_the_open(people, tmp_path):
    pairing = await people.pairings.begin("owner")
    assert len(pairing.token) == 22, "base64 of 16 bytes"
    assert all(pairing.token.encode() not in path.read_bytes() for path in tmp_path.iterdir())


async def test_a_pairing_for_nobody_is_refused(people):
    for user in ("nobody", "\udcff", ""):
        with pytest.raises(EdgeError) as error:
            await people.pairings.begin(user)
        assert error.value.code == "USER_NOT_FOUND"


async def test_whoever_is_removed_can_use_no_pairing_any_more(people):
    user = await people.users.add("Mia", "member")
    pairing = await people.pairings.begin(user.id)
    await people.users.remove(user.id)
    with pytest.raises(ForbiddenError):
        await people.pairings.use_token(pairing.token)
