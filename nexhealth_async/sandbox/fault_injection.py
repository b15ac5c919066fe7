"""Fault injection on responses, with one method for each kind of fault."""

from __future__ import annotations

from typing import Literal

from nexhealth_async.sandbox.faults import Fault, Faults

__all__ = ["ResponseFaults"]


class ResponseFaults:
    """The part of a sandbox that injects faults.

    Each method returns the ``Fault``, whose ``times`` counts down with each request it applies to.

    ``path`` (a path, or a template such as ``/patients/{id}``) and ``method`` select the requests.
    Query parameters in ``path``, as in ``/patients?page=1``, must be among the request's; use them
    if several requests are in flight, since any of them may come first. Without a path, a fault
    applies to every request except the login, so that tests need not count logins; name
    ``/authenticates`` to select it.
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
        """Answer the next requests with this status, without processing them."""
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

        aiohttp's client repeats a GET by itself if a reused connection breaks before the response.

        Args:
            times: Number of requests.
            when: ``before`` processing, ``after`` it, or ``mid_body``: after processing, when the
                headers and half of the body have been sent.
            path: See the class.
            method: See the class.
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
        """Reset the connection of the next requests, and process them this many seconds later.

        The seconds are those of the sandbox's clock. A request that is due is processed before the
        next request is answered, or when ``Sandbox.commit_due`` is called.
        """
        return self.faults.add(
            Fault(kind="late", seconds=seconds, times=times, path=path, method=method)
        )

    def truncate_next(
        self, *, times: int = 1, path: str | None = None, method: str | None = None
    ) -> Fault:
        """Send half of the body as a complete response: valid HTTP, invalid JSON."""
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
        """Process the next requests, but answer with this body."""
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
        """Process the next requests, but answer without a body."""
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
        """Wait this many seconds (real time) before processing the next requests."""
        return self.faults.add(
            Fault(kind="delay", seconds=seconds, times=times, path=path, method=method)
        )

    def firewall_block_next(
        self, *, times: int = 1, path: str | None = None, method: str | None = None
    ) -> Fault:
        """Answer the next requests like the vendor's firewall: 403, HTML, error 1010."""
        return self.faults.add(Fault(kind="edge_block", times=times, path=path, method=method))
