"""Rules of the traceback boundary, and the behaviour of CPython they rely on."""

from __future__ import annotations

import asyncio
import traceback
from types import TracebackType

import pytest

from nexhealth_async import InvalidArgumentError, NexHealthError
from nexhealth_async._protocol.traceback_boundary import strip_error, strip_traceback


class _ClearTraceback:
    """A context manager that clears the traceback of exceptions."""

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            error.__traceback__ = None
        del error, traceback


def _names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def _fails(secret: str) -> None:
    await asyncio.sleep(0)
    raise InvalidArgumentError(f"refused after {len(secret)} characters")


async def test_an_error_leaves_a_with_block_without_its_frame() -> None:
    async def holds() -> None:
        with _ClearTraceback():
            await _fails("private")

    with pytest.raises(InvalidArgumentError) as caught:
        await holds()
    assert _names(caught.value) == ["test_an_error_leaves_a_with_block_without_its_frame"]


async def test_a_cancellation_leaves_a_with_block_without_its_frame() -> None:
    async def holds() -> None:
        with _ClearTraceback():
            await asyncio.sleep(60)

    task = asyncio.create_task(holds())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert "holds" not in _names(caught.value)


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_our_errors_keep_only_the_callers_context(kind: str) -> None:
    def refuse() -> None:
        try:
            raise LookupError  # noqa: TRY301 - what is left behind
        except LookupError:
            raise InvalidArgumentError("refused")  # noqa: B904 - the context is the point

    @strip_traceback
    def function() -> None:
        refuse()

    @strip_traceback
    async def coroutine() -> None:
        refuse()

    handled = ValueError("of the caller")
    try:
        raise handled
    except ValueError:
        with pytest.raises(NexHealthError) as caught:
            if kind == "function":
                function()
            else:
                await coroutine()
    assert caught.value.__context__ is handled
    assert caught.value.__cause__ is None
    assert "refuse" not in _names(caught.value)


def test_a_cyclic_chain_of_errors_is_cleared() -> None:
    one, other = InvalidArgumentError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert strip_error(one, handled=None).__context__ is None
