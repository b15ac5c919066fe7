"""Errors that need more than one malformed response: records, hooks, walks, arguments."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from nexhealth_async import (
    DriftError,
    InvalidArgumentError,
    NexHealth,
    NexHealthError,
    UndecodableRecordError,
)
from nexhealth_async._protocol.phone_numbers import normalize_phone
from nexhealth_async._protocol.requests import version_name
from nexhealth_async.codec import Codec
from nexhealth_async.models import Patient, PatientBio
from tests.privacy.calls import ACTS, open_context
from tests.privacy.outputs import under_watch
from tests.privacy.sentinel_search import SentinelScanner
from tests.privacy.sentinels import STEM, Sentinels
from tests.privacy.test_transport_errors import through
from tests.privacy.transport_errors import RECORDS, TRANSPORT_ERRORS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.privacy.calls import ActContext
    from tests.privacy.sentinel_server import PrivacyServer


def _page(records: list[object]) -> bytes:
    data = {"patients": records}
    return msgspec.json.encode({"code": True, "data": data, "count": len(records)})


async def _walked(at: ActContext) -> None:
    async for _ in at.scope.patients.walk(new_patient=None, prefetch=0):
        pass


async def _paged(at: ActContext) -> None:
    async for _ in at.scope.patients.walk(new_patient=None, prefetch=0).pages():
        pass


async def _got(at: ActContext) -> None:
    await at.scope.patients.get(at.privacy_server.person)


async def _made(at: ActContext) -> None:
    await at.scope.patients.create(**at.person)


async def _left_out(at: ActContext) -> None:
    def note(error: UndecodableRecordError, _: bytes) -> None:
        at.watch.error(error)
        logging.getLogger("an application").error("left out", exc_info=error)

    async for _ in at.scope.patients.walk(new_patient=None, prefetch=0, on_bad_record=note):
        pass
    raise NexHealthError("nothing failed, as it should")


async def _refused_by_caller(at: ActContext) -> None:
    def refuse(error: UndecodableRecordError, record: bytes) -> None:
        raise ValueError(record) from error

    walk = at.scope.patients.walk(new_patient=None, prefetch=0, on_bad_record=refuse)
    try:
        async for _ in walk:
            pass
    except ValueError as error:
        at.watch.error(error, foreign=True)
        raise NexHealthError("the caller's own") from None


def test_the_search_includes_the_frames_of_an_error() -> None:
    watch = SentinelScanner(marks := Sentinels())
    with pytest.raises(InvalidArgumentError) as caught:
        version_name(marks.given("version"))
    watch.error(caught.value)
    assert watch.arguments == {"_protocol/requests.py:version_name: version"}


@pytest.mark.parametrize(
    "reads",
    [_walked, _paged, _got, _made, _left_out, _refused_by_caller],
    ids=lambda one: one.__name__,
)
async def test_an_unreadable_record_is_shown_nowhere(
    reads: Callable[[ActContext], Awaitable[None]],
    privacy_server: PrivacyServer,
    watch: SentinelScanner,
    tmp_path: Path,
) -> None:
    for name, record in RECORDS.items():
        row = record(privacy_server.marks)
        single = msgspec.json.encode({"code": True, "data": row})
        body = single if reads in {_got, _made} else _page([row, {"id": 9}, row])
        with under_watch(watch, name):
            privacy_server.sandbox.fail_next(200, body=body, times=9)
            async with open_context(privacy_server, watch, tmp_path) as at:
                with pytest.raises(NexHealthError) as caught:
                    await reads(at)
                watch.error(caught.value)
            privacy_server.do(privacy_server.sandbox.clear)
    watch.clean()
    assert watch.looked_at["errors"] >= len(RECORDS)
    # The errors of a walk have no frames of the library at all; see the test of the search itself.
    if reads in {_got, _made}:
        assert watch.looked_at["frames"] >= len(RECORDS)


async def test_records_read_before_a_bad_one_are_shown_nowhere(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    """A raw walk holds plain dicts when the caller's function raises."""
    good = {"id": 1, "first_name": privacy_server.marks.sent("good")}
    with under_watch(watch, "raw"):
        privacy_server.sandbox.fail_next(
            200, body=_page([good, privacy_server.marks.sent("bad")]), times=9
        )

        def refuse(*_: object) -> None:
            raise ValueError

        async with open_context(privacy_server, watch, tmp_path) as at:
            walk = at.scope.patients.walk(new_patient=None, on_bad_record=refuse).raw()
            with pytest.raises(ValueError, match=r"^$") as caught:
                await anext(walk)
            watch.error(caught.value)
    watch.clean()


def _decode_late(codec: Codec, row: object, way: int, earlier: KeyError) -> object:
    """Decode during the handling of another error, whose value must not follow."""
    try:
        raise earlier
    except KeyError:
        return _decode(codec, row, way)


def _with_bio(row: object) -> object:
    return {**cast("dict[str, object]", row), "bio": {}} if isinstance(row, dict) else row


def _decode(codec: Codec, row: object, way: int) -> object:
    data = msgspec.json.encode(row)
    match way:
        case 0:
            return codec.decode(Patient, data)
        case 1:
            return codec.decode(Patient, msgspec.Raw(data))
        case 2:
            return codec.decode_tolerantly(Patient, data)
        case 3:
            return codec.structure_record(Patient, row)
        case 4:
            return codec.structure(row, Patient)
        case _:
            return codec.decode(Patient, data[:-1])


@pytest.mark.parametrize("hooked", [False, True])
def test_errors_of_the_codec_reference_no_value(*, hooked: bool) -> None:
    marks = Sentinels()
    watch = SentinelScanner(marks)
    codec = Codec()
    if hooked:

        def hook(value: object, _: object) -> PatientBio:
            raise ValueError(value)

        codec.register_structure_hook(PatientBio, hook)
    for name, make in RECORDS.items():
        watch.doing = name
        row = _with_bio(make(marks)) if hooked else make(marks)
        for way in range(6):
            with pytest.raises(UndecodableRecordError) as caught:
                _decode_late(codec, row, way, KeyError(marks.sent("earlier")))
            watch.error(caught.value)
    watch.clean()
    assert not watch.behind
    assert watch.looked_at["frames"] > 6 * len(RECORDS)


async def test_a_hook_that_raises_with_the_value_shows_nothing(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    def hook(value: object, _: object) -> PatientBio:
        raise ValueError(value)

    for name in ("list", "pages", "record", "create", "find"):
        with under_watch(watch, name):
            async with open_context(privacy_server, watch, tmp_path) as at:
                at.nex.codec.register_structure_hook(PatientBio, hook)
                with pytest.raises(NexHealthError) as caught:
                    await ACTS[name].does(at)
                watch.error(caught.value)
    watch.clean()


async def test_errors_of_a_drifting_walk_show_no_data(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    sandbox = privacy_server.sandbox

    def stir(_: object) -> None:
        sandbox.patients.move(sandbox.patients.ids[-1], 0)
        sandbox.patients.insert(0, first_name=privacy_server.marks.sent("new"))

    with under_watch(watch, "drift"):
        sandbox.between_pages(stir)
        async with open_context(privacy_server, watch, tmp_path) as at:
            walk = at.scope.patients.walk(new_patient=None, per_page=2, passes=0, drift="verify")
            with pytest.raises(DriftError) as caught:
                async for one in walk:
                    watch.thing([one, walk])
            watch.error(caught.value)
            watch.thing(walk)
    watch.clean()


async def test_exception_groups_show_no_data(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    with under_watch(watch, "group"):
        TRANSPORT_ERRORS["400"](privacy_server, ACTS["grouped"])
        error = await through(ACTS["grouped"], privacy_server, watch, tmp_path)
    assert isinstance(error, BaseExceptionGroup)
    watch.clean()


async def test_abandoned_tasks_and_walks_show_no_data(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    """Tasks whose errors are never retrieved, and walks that are dropped half way."""
    with under_watch(watch, "left"):
        TRANSPORT_ERRORS["400"](privacy_server, ACTS["grouped"])
        async with open_context(privacy_server, watch, tmp_path) as at:
            tasks = [asyncio.ensure_future(ACTS[name].does(at)) for name in ("list", "record")]
            await asyncio.wait(tasks)
            watch.text("repr of a task", " ".join(map(repr, tasks)))
            # What asyncio would log of a task that is dropped with its error.
            for task in tasks:
                lost = {"message": "never retrieved", "exception": task.exception(), "task": task}
                asyncio.get_running_loop().call_exception_handler(lost)
            going = at.scope.patients.walk(new_patient=None, prefetch=3, per_page=2)
            with suppress(NexHealthError):
                await anext(going)
            del going
    watch.clean()
    assert watch.looked_at["asyncio's exception handler"] == 2


_BAD: dict[str, Callable[[ActContext, str], Any]] = {
    "key": lambda _, mark: NexHealth(f"{mark} {mark}"),
    "address": lambda _, mark: NexHealth(mark, base_url=f"https://{mark}:{mark}@example.com"),
    "plain address": lambda _, mark: NexHealth(mark, base_url=f"http://{mark}.example.com"),
    "port": lambda _, mark: NexHealth(mark, base_url=f"https://{mark}.example.com:{mark}"),
    "version": lambda _, mark: NexHealth(mark, version=mark),
    "agent": lambda _, mark: NexHealth(mark, user_agent=f"{mark}\n{mark}"),
    "subdomain": lambda at, mark: at.nex.practice(mark.upper()),
    "subdomain with a dot": lambda at, mark: at.nex.practice(f"{mark}.x"),
    "method": lambda at, mark: at.nex.request(mark, "/patients"),
    "path": lambda at, mark: at.nex.request("GET", f"/patients?name={mark}"),
    "dots": lambda at, mark: at.nex.request("GET", f"/patients/../{mark}"),
    "parameter": lambda at, mark: at.nex.request("GET", "/patients", params={"a": {mark: mark}}),
    "surrogate": lambda at, mark: at.nex.request(
        "GET", "/patients", params={"name": f"{mark}\ud800"}
    ),
    "body": lambda at, mark: at.nex.request("POST", "/patients", json={mark: {mark}}),  # type: ignore[dict-item]  # the fault
    "body surrogate": lambda at, mark: at.nex.request(
        "POST", "/patients", json={"name": f"{mark}\ud800"}
    ),
    "filter kind": lambda at, mark: at.scope.patients.walk(name={mark: mark}),  # type: ignore[arg-type]  # the fault
    "several": lambda at, mark: at.scope.patients.walk(name=[mark, mark]),  # type: ignore[arg-type]  # the fault
    "naive": lambda at, _: at.scope.patients.walk(updated_since=datetime(1961, 7, 13)),  # noqa: DTZ001 - the fault
    "page": lambda at, mark: at.scope.patients.walk(per_page=mark),  # type: ignore[arg-type]  # the fault
    "drift": lambda at, mark: at.scope.patients.walk(drift=mark),  # type: ignore[arg-type]  # the fault
    "after": lambda at, mark: at.scope.patients.walk(after=mark, new_patient=None),
    "id": lambda at, mark: at.scope.patients.get([mark]),  # type: ignore[arg-type]  # the fault
    "telephone": lambda _, mark: normalize_phone(mark),
    "telephone to find": lambda at, mark: at.scope.patients.find_or_create(
        provider_id=1,
        first_name=mark,
        last_name=mark,
        email=mark,
        bio={"date_of_birth": date(1961, 7, 13), "phone_number": mark},
    ),
    "file": lambda at, mark: at.scope.patients.documents.create(1, file=mark),  # type: ignore[arg-type]  # the fault
    "missing file": lambda at, mark: at.scope.patients.documents.create(1, file=at.folder / mark),
    "folder as a file": lambda at, mark: at.scope.patients.documents.create(
        1, file=_folder(at.folder / mark)
    ),
    "file name": lambda at, mark: at.scope.patients.documents.create(
        1, file=b"x", filename=f"{mark}/{mark}"
    ),
    "media type": lambda at, mark: at.scope.patients.documents.create(
        1, file=b"x", filename="x", content_type=f"{mark} {mark}"
    ),
    "download": lambda at, mark: at.nex.download(f"https://{mark}.example.com/{mark}"),
    "naive body": lambda at, mark: at.scope.appointments.create(
        patient_id=1,
        provider_id=1,
        operatory_id=1,
        start_time=datetime(1961, 7, 13),  # noqa: DTZ001 - the fault
        note=mark,
    ),
}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def test_refused_arguments_are_not_repeated(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    async with open_context(privacy_server, watch, tmp_path) as at:
        for name, call in _BAD.items():
            with under_watch(watch, name):
                with pytest.raises((NexHealthError, TypeError)) as caught:
                    done = call(at, privacy_server.marks.given(name))
                    await (done if asyncio.iscoroutine(done) else anext(done))
                watch.error(caught.value)
    watch.clean()


async def test_no_frame_holds_the_callers_arguments(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    for name, act in ACTS.items():
        with under_watch(watch, name):
            TRANSPORT_ERRORS["400"](privacy_server, act)
            await through(act, privacy_server, watch, tmp_path)
            privacy_server.do(privacy_server.sandbox.clear)
    assert not watch.arguments, watch.arguments


async def test_no_error_has_a_hidden_cause(
    privacy_server: PrivacyServer, watch: SentinelScanner, tmp_path: Path
) -> None:
    for error_case in ("odd gzip", "odd packing", "cut", "garbage", "429", "503"):
        for name in ("list", "create", "download"):
            with under_watch(watch, f"{name} under {error_case}"):
                TRANSPORT_ERRORS[error_case](privacy_server, ACTS[name])
                await through(ACTS[name], privacy_server, watch, tmp_path)
                privacy_server.do(privacy_server.sandbox.clear)
    assert not watch.behind, "\n".join(watch.behind)


@pytest.mark.parametrize("wrong", ["key", "version", "base_url", "user_agent", "preload"])
def test_no_frame_holds_a_key_when_another_argument_is_refused(wrong: str) -> None:
    marks = Sentinels()
    watch = SentinelScanner(marks, doing=wrong)
    key = marks.of("secret", "key")
    settings: dict[str, Any] = {
        "api_key": key,
        wrong: {"preload": ["x"], "key": None}.get(wrong, "?"),
    }
    settings.pop("key", None)
    if wrong == "key":
        settings["api_key"] = f"Bearer {key}"
    if wrong == "user_agent":
        settings[wrong] = "\n"
    with pytest.raises(NexHealthError) as caught:
        NexHealth(**settings)
    watch.error(caught.value)
    watch.clean()


def test_the_search_covers_printed_tracebacks() -> None:
    """The search finds whatever the standard library's tracebacks with variables print."""
    marks = Sentinels()
    watch = SentinelScanner(marks)
    with pytest.raises(NexHealthError) as caught:
        NexHealth("a-key", subdomain=f"{marks.given('subdomain')}.x")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    watch.error(caught.value)
    assert STEM in "".join(shown.format())
    assert watch.arguments
