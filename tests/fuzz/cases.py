"""Inputs that fuzzing found, kept as bytes; the name of a case is the promise.

``defect`` is the signature of a finding whose cause is not fixed yet. Such a case is expected to
fail, strictly: remove ``defect`` after fixing the cause.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["CASES", "OPEN", "FuzzCase"]


@frozen(kw_only=True)
class FuzzCase:
    """One input of one target."""

    target: str
    promise: str
    data: bytes
    defect: str | None = None
    where: str = ""
    """The fix that a known defect needs."""


CASES: tuple[FuzzCase, ...] = (
    FuzzCase(
        target="redirect-of-a-file",
        promise="a redirect to a port that cannot be is not followed, and raises nothing foreign",
        data=b"\0\0https://files.example.com:99999/",
    ),
    FuzzCase(
        target="redirect-of-a-file",
        promise="a redirect to a host that is no text is not followed, and raises nothing foreign",
        data=b"\2\1//files.example\xd9",
    ),
    FuzzCase(
        target="redirect-of-a-file",
        promise="a file asked for over TLS is not followed to the same host without TLS",
        data=b"\0\0http://nexhealth.info/x",
    ),
    FuzzCase(
        target="address-of-a-document",
        promise="an address with half a character is an invalid argument",
        data=b"\0\0/x?a=\xed\xa0\x80",
    ),
    FuzzCase(
        target="base-url",
        promise="the host of a base URL is looked up, named in Host and shown in one spelling",
        data="https://stra\u00dfe.example".encode(),
    ),
    FuzzCase(
        target="base-url",
        promise="what only looks like a loopback address gets no key in the clear",
        data=b"http://127.999.1.1",
    ),
    FuzzCase(
        target="base-url",
        promise="capital letters in a base URL lead to no other host",
        data=b"https://xR--a.example",
    ),
    FuzzCase(
        target="resume-value",
        promise="a resume value with a page size beyond all measure is an invalid argument",
        data=b"\1\0c:" + b"1" * 4301 + b":a",
    ),
    FuzzCase(
        target="resume-value",
        promise="a resume value with a page beyond all measure is an invalid argument",
        data=b"\0\0n:" + b"9" * 4300 + b":1:1:1",
    ),
    FuzzCase(
        target="resume-value",
        promise="the refusal of a resume value holds nothing of it, not even in its context",
        data=b"\0\0n:3:Zaphquill:1:1",
    ),
    FuzzCase(
        target="envelope-of-a-reply",
        promise="a reading's repr shows no word of the server's warning",
        data=b'\1\0\0{"data":[],"description":"parameters are ignored: Zaphquill."}',
    ),
    FuzzCase(
        target="envelope-of-a-reply",
        promise="a reply with broken letters is a broken body that holds none of them",
        data=b'\1\0\2{"data":"Zaphquill\xff"}',
    ),
    FuzzCase(
        target="envelope-of-a-reply",
        promise="a refusal with broken letters is an error that holds none of them",
        data=b'\1\4\0{"Zaphquill\xff":1,"code":false}',
    ),
    FuzzCase(
        target="whole-session",
        promise="a write answered with broken letters is of unknown outcome and shows none of them",
        data=b'\10\0\0\n\n{"data":"Zaphquill\xff"}',
    ),
)

OPEN = frozenset(case.defect for case in CASES if case.defect is not None)
"""Signatures of known defects, which random search may meet again."""
