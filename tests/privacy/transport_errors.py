"""Transport errors, with sentinels in everything the server says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tests.privacy.sentinel_server import reply_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.privacy.calls import PrivacyAct
    from tests.privacy.sentinel_server import PrivacyServer
    from tests.privacy.sentinels import Sentinels

__all__ = ["RECORDS", "TRANSPORT_ERRORS"]

_TIMES = 9


def _aimed(act: PrivacyAct) -> dict[str, Any]:
    return {"method": act.method, "path": act.path, "times": _TIMES}


def _refused(texts: list[str]) -> bytes:
    return msgspec.json.encode(
        {"code": False, "error": texts, "description": texts[0], "data": None}
    )


def _says(
    status: int, sentence: str = "", **headers: str
) -> Callable[[PrivacyServer, PrivacyAct], object]:
    """The server rejects the request, and repeats private data."""

    def order(privacy_server: PrivacyServer, act: PrivacyAct) -> object:
        marks = privacy_server.marks
        text = f"{marks.sent('refusal')} {sentence} {marks.given('name')}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return privacy_server.sandbox.fail_next(
            status,
            body=_refused([text, marks.given("email")]),
            headers={**reply_headers(marks), **named},
            **_aimed(act),
        )

    return order


def _replies(
    body: Callable[[Sentinels], object], status: int = 200, **headers: str
) -> Callable[[PrivacyServer, PrivacyAct], object]:
    """The server responds with these bytes, or this as JSON."""

    def order(privacy_server: PrivacyServer, act: PrivacyAct) -> object:
        marks, made = privacy_server.marks, body(privacy_server.marks)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return privacy_server.sandbox.fail_next(
            status,
            body=made if isinstance(made, bytes) else msgspec.json.encode(made),
            headers={**reply_headers(marks), **named},
            **_aimed(act),
        )

    return order


def _envelope(data: object, **more: object) -> dict[str, object]:
    return {"code": True, "data": data, "count": 1, "error": None, "description": None, **more}


def _person(marks: Sentinels) -> dict[str, object]:
    return {"id": 7, "first_name": marks.sent("first name"), "email": marks.sent("email")}


def _redirect(status: int, scheme: str = "https") -> Callable[[PrivacyServer, PrivacyAct], object]:
    def order(privacy_server: PrivacyServer, act: PrivacyAct) -> object:
        marks = privacy_server.marks
        address = f"{scheme}://127.0.0.1:1/{marks.sent('path')}?a={marks.sent('query')}"
        headers = {**reply_headers(marks), "Location": address}
        return privacy_server.sandbox.fail_next(
            status, body=marks.sent("redirect").encode(), headers=headers, **_aimed(act)
        )

    return order


def _ignored(privacy_server: PrivacyServer, act: PrivacyAct) -> object:
    mark = privacy_server.marks.sent("x")
    sentence = f"Note that following parameters are ignored: name, email, {mark}."

    def change(body: bytes) -> bytes:
        whole = msgspec.json.decode(body, type=dict[str, object])
        return msgspec.json.encode({**whole, "description": sentence})

    return privacy_server.sandbox.alter_next(change, **_aimed(act))


def _warned(privacy_server: PrivacyServer, act: PrivacyAct) -> object:
    text = privacy_server.marks.sent("warning")

    def change(body: bytes) -> bytes:
        whole = msgspec.json.decode(body, type=dict[str, object])
        return msgspec.json.encode({**whole, "error": [text, [text]]})

    return privacy_server.sandbox.alter_next(change, **_aimed(act))


def _key(privacy_server: PrivacyServer, _: PrivacyAct) -> object:
    return privacy_server.do(privacy_server.sandbox.revoke_key)


def _bad_token(
    data: Callable[[Sentinels], object],
) -> Callable[[PrivacyServer, PrivacyAct], object]:
    """The login response has no valid token."""

    def order(privacy_server: PrivacyServer, _: PrivacyAct) -> object:
        marks = privacy_server.marks
        return privacy_server.sandbox.fail_next(
            201,
            body=msgspec.json.encode(_envelope(data(marks))),
            headers=reply_headers(marks),
            path="/authenticates",
            times=_TIMES,
        )

    return order


TRANSPORT_ERRORS: dict[str, Callable[[PrivacyServer, PrivacyAct], object]] = {
    "400": _says(400),
    "duplicate": _says(400, "A patient already exists - id=4711"),
    "taken": _says(400, "is no longer available"),
    "cancelled": _says(400, "is already cancelled"),
    "not synced": _says(400, "is not synced with the PMS"),
    "unsupported": _says(422, "is not supported"),
    "401": _says(401),
    "403": _says(403),
    "403 version": _says(403, "is below the minimum allowed"),
    "404": _says(404),
    "409": _says(409),
    "415": _says(415),
    "429": _says(429, Retry_After="999"),
    "429 odd": _says(429, Retry_After="zq7fsoon"),
    "500": _says(500),
    "501": _says(501),
    "503": _says(503),
    "code false": _says(200),
    "edge": _replies(lambda marks: f"<html>{marks.sent('page')}".encode(), 403),
    "page": _replies(lambda marks: f"<html>{marks.sent('page')}".encode()),
    "garbage": _replies(lambda marks: bytes(range(256)) + marks.sent("garbage").encode()),
    "cut": _replies(lambda marks: msgspec.json.encode(_envelope([_person(marks)]))[:-9]),
    "latin-1": _replies(
        lambda marks: f'{{"code":true,"data":[{{"id":1,"name":"{marks.sent("x")}é"}}]}}'.encode(
            "latin-1"
        )
    ),
    "lone surrogate": _replies(
        lambda marks: rb'{"code":true,"data":"%b\ud83d"}' % marks.sent("data").encode()
    ),
    "lone surrogate, cut": _replies(
        lambda marks: rb'{"code":true,"data":[{"id":1,"name":"%b\ud83d' % marks.sent("x").encode()
    ),
    "400 lone surrogate": _replies(
        lambda marks: rb'{"code":false,"error":["%b\ud83d"]}' % marks.sent("text").encode(), 400
    ),
    "UTF-16": _replies(lambda marks: marks.sent("text").encode("utf-16")),
    "data a text": _replies(lambda marks: _envelope(marks.sent("data"))),
    "data an object": _replies(lambda marks: _envelope({marks.sent("key"): {marks.sent("v"): 1}})),
    "odd head": _replies(
        lambda marks: _envelope(
            [_person(marks)],
            count=marks.sent("count"),
            page_info={"has_next_page": True, "end_cursor": None, "x": marks.sent("page info")},
        )
    ),
    "odd gzip": _replies(lambda marks: marks.sent("packed").encode(), Content_Encoding="gzip"),
    "odd packing": _replies(lambda marks: marks.sent("packed").encode(), Content_Encoding="zq7fbr"),
    "odd type": _replies(
        lambda marks: marks.sent("body").encode(), 400, Content_Type="application/zq7fjson"
    ),
    "301": _redirect(301),
    "302 plain": _redirect(302, "http"),
    "307": _redirect(307),
    "308 odd": _redirect(308, "zq7f"),
    "ignored": _ignored,
    "warned": _warned,
    "revoked key": _key,
    "token with a blank": _bad_token(lambda marks: {"token": f"{marks.sent('token')} x"}),
    "token of another kind": _bad_token(lambda marks: {"token": [marks.sent("token")]}),
    "no token": _bad_token(lambda marks: marks.sent("token")),
}

RECORDS: dict[str, Callable[[Sentinels], object]] = {
    "an object for text": lambda marks: {"id": 5, "first_name": {"x": marks.sent("a")}},
    "text for an object": lambda marks: {"id": 5, "bio": marks.sent("a")},
    "text for an id": lambda marks: {"id": marks.sent("a"), "email": marks.sent("b")},
    "a list for an object": lambda marks: {"id": 5, "bio": [marks.sent("a")]},
    "text in a list": lambda marks: {"id": 5, "location_ids": [1, marks.sent("a")]},
    "no id": lambda marks: {"first_name": marks.sent("a")},
    "text": lambda marks: marks.sent("a"),
    "a list": lambda marks: [marks.sent("a")],
    "deep": lambda marks: {
        "id": 5,
        "upcoming_appts": [{"id": 1, "start_time": {"x": marks.sent("a")}}],
    },
    "an odd birth date": lambda marks: {"id": 5, "bio": {"date_of_birth": [marks.sent("a")]}},
    "odd money": lambda marks: {"id": 5, "balance": {"amount": marks.sent("a"), "currency": "USD"}},
    "a key that is a mark": lambda marks: {"id": 5, "bio": {marks.sent("k"): 1, "gender": [1]}},
}
"""Records that no decoder can read."""
