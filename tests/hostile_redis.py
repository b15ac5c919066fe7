"""Malformed values in a Redis, and servers that are not Redis, as in a shared installation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeAlias

__all__ = [
    "ANSWERS",
    "KINDS",
    "TEXTS",
    "Kind",
    "forgetful_client",
    "hostile_server",
    "overwrite",
    "parts_of",
]

HOUR: Final = 3_600_000
"""Milliseconds."""

TEXTS: Final[Mapping[str, bytes]] = {
    "empty": b"",
    "words": b"invented words",
    "binary": bytes(range(256)),
    "no UTF-8": b"\xff\xfe\x00\x80",
    "zero": b"0",
    "negative": b"-5",
    "leading zeros": b"0007",
    "fraction": b"1.5",
    "far future": b"9" * 16,
    "very large": b"9" * 19,
    "thousands of digits": b"9" * 5_000,
    "exponent": b"1e300",
    "minus exponent": b"-1e300",
    "not a number": b"nan",
    "infinity": b"inf",
    "minus infinity": b"-inf",
    "hexadecimal": b"0x7fffffffffffff",
    "megabyte": b"x" * 1_000_000,
    "words and numbers": b"key 401 9999999999999999",
    "colons": b"9999999999999999:9999999999999999:9999999999999999",
    "JSON": b'{"a": [null, 1e999]}',
}

Kind: TypeAlias = Callable[[Any, bytes], Awaitable[object]]


async def _text(client: Any, key: bytes) -> None:
    await client.set(key, b"invented")


async def _number(client: Any, key: bytes) -> None:
    await client.set(key, b"9" * 18)


async def _list(client: Any, key: bytes) -> None:
    await client.rpush(key, b"a", b"b")


async def _set(client: Any, key: bytes) -> None:
    await client.sadd(key, b"a", b"b")


async def _scores(client: Any, key: bytes) -> None:
    await client.zadd(
        key, {b"a": 1e300, b"b": float("-inf"), b"c": float("inf"), b"\xff": 1.5, b":": 1e18}
    )


async def _many_scores(client: Any, key: bytes) -> None:
    await client.zadd(key, {b"forged:%d" % nth: 1e18 + nth for nth in range(3_000)})


async def _hash(client: Any, key: bytes) -> None:
    await client.hset(key, mapping={b"a": b"b", b"\xff": b"\xfe", b"": b""})


async def _many_fields(client: Any, key: bytes) -> None:
    await client.hset(key, mapping={b"forged %d" % nth: b"9" * 16 for nth in range(3_000)})


async def _stream(client: Any, key: bytes) -> None:
    await client.xadd(key, {b"a": b"b"})


KINDS: Final[Mapping[str, Kind]] = {
    "string": _text,
    "number": _number,
    "list": _list,
    "set": _set,
    "sorted set": _scores,
    "many scores": _many_scores,
    "hash": _hash,
    "many fields": _many_fields,
    "stream": _stream,
}


async def overwrite(client: Any, key: bytes, kind: Kind, *, ends: bool) -> None:
    """Overwrite the value of a key, for an hour or without expiry."""
    async with client.pipeline(transaction=True) as together:
        together.delete(key)
        await kind(together, key)
        if ends:
            together.pexpire(key, HOUR)
        await together.execute()


async def parts_of(client: Any, key: bytes) -> list[Callable[[bytes], Awaitable[object]]]:
    """Return functions that overwrite each value under a key and keep its expiry."""
    kind = await client.type(key)
    if kind == b"string":
        return [lambda text: client.set(key, text, keepttl=True)]
    if kind == b"hash":
        fields = await client.hkeys(key)
        return [partial(_put, client, key, field) for field in fields]
    return []


async def _put(client: Any, key: bytes, field: bytes, text: bytes) -> None:
    await client.hset(key, field, text)


ANSWERS: Final[Mapping[str, bytes]] = {
    "OK": b"+OK\r\n",
    "a number": b":1\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "a list of nothing": b"*2\r\n$-1\r\n$-1\r\n",
    "a long list": b"*20\r\n" + b":7\r\n" * 20,
    "a nested list": b"*1\r\n" * 20 + b":1\r\n",
    "an error": b"-ERR no such thing\r\n",
    "no permission": b"-NOPERM this user may not\r\n",
    "read only": b"-READONLY You can't write against a read only replica.\r\n",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "binary": bytes(range(256)) + b"\r\n",
    "a bulk that never comes": b"$99999999\r\nabc",
    "a bulk of a negative length": b"$-7\r\n",
    "words": b"$14\r\ninvented words\r\n",
    "JSON": b"$2\r\n{}\r\n",
    "JSON of other types": b'$27\r\n{"epoch": "a", "fleet": []}\r\n',
    "no end of line": b"x" * 100_000,
    "silence": b"",
}


@asynccontextmanager
async def hostile_server(answer: bytes) -> AsyncGenerator[str]:
    """Serve the same bytes for every command."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while await reader.read(65_536):
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.01)


def forgetful_client(url: str) -> Any:
    """A client of redis-py that loses the first cancellation of every command."""
    from redis import asyncio as redis

    made: Any = redis.Redis
    client = made.from_url(url, socket_timeout=5)
    execute: Callable[..., Coroutine[Any, Any, object]] = client.execute_command

    async def forgetful(*args: object, **options: object) -> object:
        command = asyncio.ensure_future(execute(*args, **options))
        try:
            return await asyncio.shield(command)
        except asyncio.CancelledError:
            return await command

    client.execute_command = forgetful
    return client
