"""The scripts against a model, in any order; and the encryption."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexhealth_async.stores.sealing import Seal
from nexhealth_async.stores.token_desk import Busy, Found, Quiet, TokenDesk, Turn
from tests.redis_server import running_redis
from tests.stores.tokens.helpers import client_of

LEASE = 60.0
ACTS = ("ask", "refuse", "store", "leave", "fail", "lose lease", "lose all", "lose token")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_redis() as url:
        yield url


class _Model:
    """Expected contents of Redis."""

    def __init__(self) -> None:
        self.lock: int | str | None = None
        """The fence of the current turn, or a refusal."""
        self.generation = 0
        self.box: str | None = None
        self.highest = 0
        self.turns: list[tuple[TokenDesk, Turn]] = []
        self.dead: set[int] = set()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 3)), max_size=30
    )
)
def test_the_scripts_match_the_model_in_any_order(
    url: str, acts: list[tuple[str, int, int]]
) -> None:
    asyncio.run(_play(url, acts))


async def _play(url: str, acts: list[tuple[str, int, int]]) -> None:
    async with client_of(url) as client:
        place = f"test:{{{uuid4()}}}"
        desks = [TokenDesk(client, place=place, owner=f"o{n}", lease=LEASE) for n in range(3)]
        model = _Model()
        for act, who, which in acts:
            await _act(client, place, model, desks[who], act, which)
            assert await desks[who].look() == (model.generation, model.box is not None)
        keys = [key async for key in client.scan_iter(f"{place}*")]
        assert [key for key in keys if await client.pttl(key) < 0] == []


async def _act(
    client: Any, place: str, model: _Model, desk: TokenDesk, act: str, which: int
) -> None:
    match act:
        case "ask":
            await _asked(model, desk, beyond=max(0, model.generation - which % 2), refused=0)
        case "refuse":
            refused = max(0, model.generation - which)
            await _asked(model, desk, beyond=refused, refused=refused)
        case "lose lease":
            await client.delete(f"{place}:lock")
            model.lock = None
        case "lose token":
            await client.delete(place)
            model.generation, model.box = 0, None
        case "lose all":
            await client.delete(*(f"{place}{end}" for end in ("", ":lock", ":fence", ":failures")))
            model.generation, model.box, model.lock = 0, None, None
        case _ if model.turns:
            await _ended(model, act, which)
        case _:
            pass


async def _asked(model: _Model, desk: TokenDesk, *, beyond: int, refused: int) -> None:
    if refused and refused == model.generation:
        model.box = None
        model.dead.add(refused)
    answer = await desk.ask(beyond=beyond, refused=refused)
    match answer:
        case Found():
            assert model.box is not None
            assert model.generation > beyond
            assert (answer.box, answer.generation) == (model.box, model.generation)
            assert answer.generation not in model.dead
        case Busy(seconds=seconds):
            assert isinstance(model.lock, int)
            assert 0 < seconds <= LEASE
        case Quiet(refusal=refusal):
            assert refusal == model.lock
        case Turn():
            assert model.lock is None
            assert model.box is None or model.generation <= beyond
            assert answer.fence > max(model.highest, beyond)
            model.highest = model.lock = answer.fence
            model.turns.append((desk, answer))


async def _ended(model: _Model, act: str, which: int) -> None:
    desk, turn = model.turns[which % len(model.turns)]
    ours = model.lock == turn.fence
    assert await desk.keep(turn) is ours
    match act:
        case "store":
            box = f"box {turn.fence}"
            assert await desk.store(turn, box=box, asked=turn.now, seconds=60) is ours
            if ours:
                model.generation, model.box, model.lock = turn.fence, box, None
        case "leave":
            assert await desk.leave(turn) is ours
            model.lock = None if ours else model.lock
        case _:
            assert await desk.leave(turn, refusal="key 401", seconds=60) is ours
            model.lock = "key 401" if ours else model.lock


async def test_of_concurrent_rejections_one_counts_and_one_process_logs_in(url: str) -> None:
    async with client_of(url) as client:
        place = f"test:{{{uuid4()}}}"
        desks = [TokenDesk(client, place=place, owner=f"o{n}", lease=LEASE) for n in range(20)]
        turn = await desks[0].ask(beyond=0, refused=0)
        assert isinstance(turn, Turn)
        await desks[0].store(turn, box="box", asked=turn.now, seconds=60)
        async with client.pubsub() as line:
            await line.subscribe(place)
            answers = await asyncio.gather(
                *(desk.ask(beyond=turn.fence, refused=turn.fence) for desk in desks)
            )
            assert sorted(type(answer).__name__ for answer in answers) == ["Busy"] * 19 + ["Turn"]
            notices: list[object] = []
            while message := await line.get_message(timeout=0.2):
                notices += [message["data"]] if message["type"] == "message" else []
        assert notices == [b"dead %d" % turn.fence]


async def test_consecutive_failures_are_counted_until_a_success(url: str) -> None:
    async with client_of(url) as client:
        desk = TokenDesk(client, place=f"test:{{{uuid4()}}}", owner="o", lease=LEASE)
        for failures in range(3):
            turn = await desk.ask(beyond=0, refused=0)
            assert isinstance(turn, Turn)
            assert turn.failures == failures
            await desk.leave(turn, refusal="server 503", seconds=0.02)
            await asyncio.sleep(0.03)
        turn = await desk.ask(beyond=0, refused=0)
        assert isinstance(turn, Turn)
        await desk.store(turn, box="box", asked=turn.now, seconds=60)
        again = await desk.ask(beyond=turn.fence, refused=turn.fence)
        assert isinstance(again, Turn)
        assert again.failures == 0


async def test_a_client_that_decodes_responses_is_accepted(url: str) -> None:
    from redis import asyncio as redis

    made: Any = redis.Redis
    async with made.from_url(url, decode_responses=True) as client:
        desk = TokenDesk(client, place=f"test:{{{uuid4()}}}", owner="o", lease=LEASE)
        turn = await desk.ask(beyond=0, refused=0)
        assert isinstance(turn, Turn)
        await desk.store(turn, box="box", asked=turn.now, seconds=60)
        assert isinstance(await desk.ask(beyond=0, refused=0), Found)
        assert await desk.look() == (turn.fence, True)


@given(token=st.text(max_size=300), generation=st.integers(1, 2**53), asked=st.integers(0, 2**53))
def test_only_the_same_key_address_and_number_decrypt_a_value(
    token: str, generation: int, asked: int
) -> None:
    seal = Seal("an-invented-key", "https://one.example")
    box = seal.close(token, generation=generation, asked=asked)
    assert seal.open(box, generation=generation, asked=asked) == token
    assert seal.open(box, generation=generation + 1, asked=asked) is None
    assert seal.open(box, generation=generation, asked=asked + 1) is None
    for other in (
        Seal("another-invented-key", "https://one.example"),
        Seal("an-invented-key", "https://two.example"),
    ):
        assert other.name != seal.name
        assert other.open(box, generation=generation, asked=asked) is None


@given(junk=st.text(max_size=100), at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_encrypted_value_causes_a_crash(junk: str, at: int, change: int) -> None:
    seal = Seal("an-invented-key", "https://one.example")
    assert seal.open(junk, generation=1, asked=1) is None
    box = bytearray(seal.close("token", generation=1, asked=1).encode())
    box[at % len(box)] ^= change
    opened = seal.open(box.decode("latin-1"), generation=1, asked=1)
    assert opened is None or opened == "token", "base64 has spare bits at its end"


def test_no_two_encrypted_values_are_equal() -> None:
    seal = Seal("an-invented-key", "https://one.example")
    assert len({seal.close("token", generation=1, asked=1) for _ in range(100)}) == 100
    assert "an-invented-key" not in repr(seal)
    assert "one.example" not in repr(seal)
