"""How a test orders faults: one method for each way a reply can go wrong."""

from __future__ import annotations

from typing import Literal

from nexhealth_async.sandbox.faults import Fault, Faults

__all__ = ["ResponseFaults"]


class ResponseFaults:
    """The part of a sandbox that takes orders for faults.

    Every order returns the ``Fault``, whose ``times`` counts down as requests meet it. Each method
    takes ``path`` (a path, or a template such as ``/patients/{id}``) and ``method`` to say which
    requests are meant. Parameters behind the path, as in ``/patients?page=1``, must be among the
    request's: with several requests in flight any of them may come first. Without a path every
    request is meant but ``/authenticates``, so that a test need not count logins: name it to hit
    it.
    """

    def __init__(self) -> None:
        self.faults: Faults = Faults()

    def fail_next(
        self,
        status: int = 503,
        *,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Answer the next requests with this status, without doing what they ask."""
        return self.faults.add(
            Fault(
                kind="fail",
                status=status,
                times=times,
                path=path,
                method=method,
                body=body,
                headers=dict(headers or {}),
            )
        )

    def drop_next(
        self,
        *,
        times: int = 1,
        when: Literal["before", "after", "mid_body"] = "before",
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Reset the connection of the next requests.

        ``before``: nothing was done; ``after``: all was done, nothing is answered; ``mid_body``:
        all was done, the headers and half the body arrive. Mind that aiohttp's own client repeats a
        GET by itself when a connection it used before breaks before the answer.
        """
        return self.faults.add(Fault(kind=when, times=times, path=path, method=method))

    def commit_late_next(
        self,
        seconds: float,
        *,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Reset the connection of the next requests, and do what they ask so many seconds later.

        The seconds are of the sandbox's clock. What is due is done before the next request is
        answered, or when ``Sandbox.commit_due`` is called.
        """
        return self.faults.add(
            Fault(kind="late", seconds=seconds, times=times, path=path, method=method)
        )

    def truncate_next(
        self, *, times: int = 1, path: str | None = None, method: str | None = None
    ) -> Fault:
        """Send half the body as if it were whole: valid HTTP, broken JSON."""
        return self.faults.add(Fault(kind="truncate", times=times, path=path, method=method))

    def garbage_next(
        self,
        body: bytes = b"<html><body>Bad gateway</body></html>",
        *,
        content_type: str = "text/html",
        status: int = 200,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Do what is asked, but answer with this body."""
        return self.faults.add(
            Fault(
                kind="garbage",
                body=body,
                content_type=content_type,
                status=status,
                times=times,
                path=path,
                method=method,
            )
        )

    def empty_next(
        self,
        *,
        status: int = 200,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Do what is asked, but answer without a body."""
        return self.faults.add(
            Fault(kind="empty", status=status, times=times, path=path, method=method)
        )

    def delay_next(
        self,
        seconds: float,
        *,
        times: int = 1,
        path: str | None = None,
        method: str | None = None,
    ) -> Fault:
        """Wait (real seconds) before looking at the next requests."""
        return self.faults.add(
            Fault(kind="delay", seconds=seconds, times=times, path=path, method=method)
        )

    def firewall_block_next(
        self, *, times: int = 1, path: str | None = None, method: str | None = None
    ) -> Fault:
        """Refuse the next requests as the network's edge does: 403, HTML, error 1010."""
        return self.faults.add(Fault(kind="edge_block", times=times, path=path, method=method))
