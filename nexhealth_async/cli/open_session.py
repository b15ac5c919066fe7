"""Connection options, sessions opened from them, and the choice of practice and location."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from attrs import evolve, frozen
from cyclopts import Group, Parameter

from nexhealth_async.cli.exit_status import CliError
from nexhealth_async.cli.terminal import escape_controls

if TYPE_CHECKING:
    from ssl import SSLContext

    from nexhealth_async import NexHealth
    from nexhealth_async._protocol.operations import OperationSpec
    from nexhealth_async._protocol.rate_limits import SharedRates
    from nexhealth_async._protocol.retry import RetryPolicy
    from nexhealth_async._protocol.token_store import TokenStore
    from nexhealth_async.models import Location

__all__ = [
    "ANY_LOCATION",
    "CliApiKey",
    "ConnectionOptions",
    "OpenedSession",
    "base_url",
    "check_location",
    "open_session",
    "resolve_scope",
]

_KEY = "NEXHEALTH_API_KEY"
_BASE_URL = "NEXHEALTH_BASE_URL"
_CA_FILE = "NEXHEALTH_CA_FILE"

_GROUP = Group("Connection", sort_key=1)


@Parameter(name="*")
@frozen(kw_only=True)
class ConnectionOptions:
    """The server and its API version; the key comes from the environment or a prompt."""

    sandbox: Annotated[
        bool,
        Parameter(
            group=_GROUP,
            negative="",
            show_default=False,
            help="Use a temporary server with invented records; needs no key.",
        ),
    ] = False
    patients: Annotated[
        int | None, Parameter(group=_GROUP, help="Number of patients in the sandbox (5,000).")
    ] = None
    seed: Annotated[
        int | None,
        Parameter(group=_GROUP, help="Seed of the sandbox (1); the same seed gives the same data."),
    ] = None
    api_version: Annotated[
        str | None,
        Parameter(
            group=_GROUP,
            help="API version: v2, v3, a literal one such as v3.1.0, or auto: v2, or v3 if the "
            "account refuses v2. Default: NEXHEALTH_API_VERSION, else the version of the target's "
            "last pull, else auto; v3 for the sandbox.",
        ),
    ] = None

    def __attrs_post_init__(self) -> None:
        """Reject an invalid version, and options of the sandbox without ``--sandbox``."""
        if not self.sandbox and (self.patients is not None or self.seed is not None):
            raise CliError("--patients and --seed belong to the sandbox: add --sandbox.")
        if self.patients is not None and self.patients < 0:
            raise CliError("--patients must be at least 0.")
        if self.api_version is not None:
            _checked_version(self.api_version, "--api-version")

    @property
    def version(self) -> str:
        """Version with which a session is opened: a literal version, or ``"auto"``."""
        from nexhealth_async._protocol.api_versions import AUTO, V3

        if self.requested_version is not None:
            return self.requested_version
        return V3 if self.sandbox else AUTO

    @property
    def requested_version(self) -> str | None:
        """Version of the option or the environment; None if neither is set."""
        from nexhealth_async._client.options import VERSION_VARIABLE

        if self.api_version is not None:
            return _checked_version(self.api_version, "--api-version")
        if variable := os.environ.get(VERSION_VARIABLE, "").strip():
            return _checked_version(variable, VERSION_VARIABLE)
        return None

    @property
    def pinned_version(self) -> str | None:
        """Literal version of the session; None if it depends on the account."""
        from nexhealth_async._protocol.api_versions import AUTO

        return None if self.version == AUTO else self.version


def _checked_version(text: str, source: str) -> str:
    from nexhealth_async._client.options import resolve_version
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return resolve_version(text)
    except InvalidArgumentError:
        raise CliError(f"{source} takes v2, v3, a literal one such as v3.1.0, or auto.") from None


ANY_LOCATION = ConnectionOptions()
"""Default options: the vendor's server, in the version that the account may use."""


@frozen(repr=False)
class CliApiKey:
    """An API key whose repr hides its value."""

    value: str | None

    @classmethod
    def for_entry(cls, entry: ConnectionOptions) -> CliApiKey:
        """Return the key from the environment or a prompt; for the sandbox, none.

        Call it before the event loop starts, since the loop would keep Ctrl-C from the prompt.
        """
        if entry.sandbox:
            return cls(None)
        key = os.environ.get(_KEY, "").strip()
        if not key and sys.stdin and sys.stdin.isatty():
            from getpass import getpass

            try:
                key = getpass("NexHealth API key: ").strip()
            except EOFError:
                key = ""
        if not key:
            raise CliError(f"No API key is set: set {_KEY} in the environment, or use --sandbox.")
        return cls(key)


def base_url() -> str:
    """Return the base URL of the API; raise `CliError` if the environment's is invalid."""
    from nexhealth_async._protocol.requests import check_base_url
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return check_base_url(os.environ.get(_BASE_URL) or "https://nexhealth.info")
    except InvalidArgumentError:
        raise CliError(
            f"{_BASE_URL} must be a URL that begins with https:// (http:// only for this machine), "
            "without credentials, query or fragment, such as https://nexhealth.info."
        ) from None


def _ssl_context() -> SSLContext | None:
    """Return a context that also trusts the CAs of ``NEXHEALTH_CA_FILE``; None if it is unset.

    OpenSSL itself reads ``SSL_CERT_FILE``.
    """
    from nexhealth_async._client.tls import tls_context
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return tls_context(os.environ.get(_CA_FILE) or None)
    except InvalidArgumentError:
        raise CliError(
            f"{_CA_FILE} names a file that cannot be read or has no CA certificates in PEM format."
        ) from None


@frozen(kw_only=True)
class OpenedSession:
    """An open session, its base URL, and the sandbox's practice and location."""

    nex: NexHealth
    url: str
    subdomain: str | None = None
    location_id: int | None = None


@asynccontextmanager
async def open_session(
    entry: ConnectionOptions,
    key: CliApiKey,
    *,
    retry: RetryPolicy | None = None,
    tokens: TokenStore | None = None,
    rates: SharedRates | None = None,
    version: str | None = None,
) -> AsyncGenerator[OpenedSession, None]:
    """Open a session, and start the sandbox if ``entry`` asks for it.

    ``version`` takes precedence over the version of ``entry``.
    """
    from nexhealth_async import NexHealth

    if not entry.sandbox:
        url = base_url()
        async with NexHealth(
            key.value,
            base_url=url,
            version=version or entry.version,
            retry=retry,
            tokens=tokens,
            rates=rates,
            ssl=_ssl_context(),
            trust_env=True,
        ) as nex:
            yield OpenedSession(nex=nex, url=url)
        return
    from nexhealth_async.sandbox import Sandbox

    patients = 5000 if entry.patients is None else entry.patients
    seed = 1 if entry.seed is None else entry.seed
    async with (
        Sandbox(patients=patients, seed=seed) as sandbox,
        NexHealth(
            sandbox.api_key, base_url=sandbox.url, version=version or entry.version, retry=retry
        ) as nex,
    ):
        yield OpenedSession(
            nex=nex,
            url=sandbox.url,
            subdomain=sandbox.subdomain,
            location_id=sandbox.location_id,
        )


async def resolve_scope(
    session: OpenedSession, spec: OperationSpec, *, subdomain: str | None, location_id: int | None
) -> NexHealth:
    """Return the session bound to the practice and location that the operation needs.

    A practice or location that was not given is looked up.

    Raises:
        CliError: The key sees none, or several; the message lists the choices.
    """
    from nexhealth_async._protocol.operations import ScopeNeed

    scoped = evolve(
        session,
        subdomain=subdomain or (session.subdomain if location_id is None else None),
        location_id=location_id or (session.location_id if subdomain is None else None),
    )
    lacks_practice = spec.subdomain is ScopeNeed.REQUIRED and scoped.subdomain is None
    needs_location = spec.location is ScopeNeed.REQUIRED or "location_id" in spec.one_of
    lacks_location = needs_location and scoped.location_id is None
    if lacks_practice or lacks_location:
        scoped = await _find_location(scoped, any_location=not lacks_location)
    if spec.location is ScopeNeed.NONE:
        scoped = evolve(scoped, location_id=None)
    return scoped.nex.with_options(subdomain=scoped.subdomain, location_id=scoped.location_id)


async def _find_location(session: OpenedSession, *, any_location: bool) -> OpenedSession:
    matches = await _matching_locations(session.nex, session.subdomain, session.location_id)
    if session.location_id is None:
        matches = [location for location in matches if not location.inactive]
    practices = {location.subdomain for location in matches}
    if len(practices) == 1 and any_location:
        return evolve(session, subdomain=matches[0].subdomain)
    if len(matches) == 1:
        return evolve(session, subdomain=matches[0].subdomain, location_id=matches[0].id)
    if not matches:
        raise _not_visible_error(session.subdomain, session.location_id)
    choices = "\n".join(_location_text(location) for location in matches)
    raise CliError(f"This key sees several locations; choose one of\n{choices}")


async def check_location(nex: NexHealth, *, subdomain: str | None, location_id: int | None) -> None:
    """Raise `CliError` if the key does not see the named practice or location."""
    is_named = subdomain is not None or location_id is not None
    if is_named and not await _matching_locations(nex, subdomain, location_id):
        raise _not_visible_error(subdomain, location_id)


async def _matching_locations(
    nex: NexHealth, subdomain: str | None, location_id: int | None
) -> list[Location]:
    return [
        location
        async for location in nex.locations.walk()
        if location.subdomain
        and subdomain in (None, location.subdomain)
        and location_id in (None, location.id)
    ]


def _not_visible_error(subdomain: str | None, location_id: int | None) -> CliError:
    subject = "no active location" if location_id is None else f"no location {location_id}"
    scope = "" if subdomain is None else " in a practice of that name"
    return CliError(f"This key sees {subject}{scope}; `nexhealth practices` lists the locations.")


def _location_text(location: Location) -> str:
    flags = f"--practice {location.subdomain} --location {location.id}"
    return f"  {flags}   {escape_controls(location.name or '')}"
