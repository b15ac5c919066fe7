"""From options and environment to an open session, and to the practice and location meant."""

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

_GROUP = Group("Where from", sort_key=1)


@Parameter(name="*")
@frozen(kw_only=True)
class ConnectionOptions:
    """Which server and which version of its API; the key comes from the environment or a prompt."""

    sandbox: Annotated[
        bool,
        Parameter(
            group=_GROUP,
            negative="",
            show_default=False,
            help="Use a server of invented records, started for this command; needs no key.",
        ),
    ] = False
    patients: Annotated[
        int | None, Parameter(group=_GROUP, help="How many patients the sandbox has (5,000).")
    ] = None
    seed: Annotated[
        int | None,
        Parameter(group=_GROUP, help="Which sandbox (1): the same seed gives the same records."),
    ] = None
    api_version: Annotated[
        str | None,
        Parameter(
            group=_GROUP,
            help="Version of the API: v2, v3, one such as v3.1.0, or auto, which is v2, and v3 "
            "where the account refuses v2. Left out: what NEXHEALTH_API_VERSION says, else the one "
            "that the target was copied in, else auto; for the sandbox v3.",
        ),
    ] = None

    def __attrs_post_init__(self) -> None:
        """Refuse the sandbox's options without the sandbox, and what is no version."""
        if not self.sandbox and (self.patients is not None or self.seed is not None):
            raise CliError("--patients and --seed describe the sandbox; add --sandbox.")
        if self.patients is not None and self.patients < 0:
            raise CliError("--patients cannot be below 0.")
        if self.api_version is not None:
            _checked_version(self.api_version, "--api-version")

    @property
    def version(self) -> str:
        """What a session is opened with: a literal version, or ``"auto"``."""
        from nexhealth_async._protocol.api_versions import AUTO, V3

        if self.requested_version is not None:
            return self.requested_version
        return V3 if self.sandbox else AUTO

    @property
    def requested_version(self) -> str | None:
        """What the option or the environment says; None leaves it to the target or the account."""
        from nexhealth_async._client.options import VERSION_VARIABLE

        if self.api_version is not None:
            return _checked_version(self.api_version, "--api-version")
        if variable := os.environ.get(VERSION_VARIABLE, "").strip():
            return _checked_version(variable, VERSION_VARIABLE)
        return None

    @property
    def pinned_version(self) -> str | None:
        """The version that is spoken; None if the account is asked which one."""
        from nexhealth_async._protocol.api_versions import AUTO

        return None if self.version == AUTO else self.version


def _checked_version(text: str, where: str) -> str:
    from nexhealth_async._client.options import resolve_version
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return resolve_version(text)
    except InvalidArgumentError:
        raise CliError(f"{where} takes v2, v3, a literal one such as v3.1.0, or auto.") from None


ANY_LOCATION = ConnectionOptions()
"""The vendor's server, in the version that the account may use."""


@frozen(repr=False)
class CliApiKey:
    """An API key that shows itself to nobody."""

    value: str | None

    @classmethod
    def for_entry(cls, entry: ConnectionOptions) -> CliApiKey:
        """Return the key from the environment or from a prompt; the sandbox brings its own.

        Asked before the event loop starts, which would keep Ctrl-C from the prompt.
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
            raise CliError(f"There is no API key; set {_KEY} in the environment, or use --sandbox.")
        return cls(key)


def base_url() -> str:
    """Return the address of the API that is meant; raises `CliError` for what is none."""
    from nexhealth_async._protocol.requests import check_base_url
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return check_base_url(os.environ.get(_BASE_URL) or "https://nexhealth.info")
    except InvalidArgumentError:
        raise CliError(
            f"{_BASE_URL} must be an address that begins with https:// (http:// for this machine "
            "only), without credentials, query or fragment, such as https://nexhealth.info."
        ) from None


def _own_authorities() -> SSLContext | None:
    """Return a context that trusts the CAs of ``NEXHEALTH_CA_FILE`` too; None without it.

    OpenSSL reads ``SSL_CERT_FILE`` by itself.
    """
    from nexhealth_async._client.transport import tls_context
    from nexhealth_async.errors import InvalidArgumentError

    try:
        return tls_context(os.environ.get(_CA_FILE) or None)
    except InvalidArgumentError:
        raise CliError(
            f"{_CA_FILE} names a file that cannot be read or holds no CA certificates in PEM form."
        ) from None


@frozen(kw_only=True)
class OpenedSession:
    """A session, and what is known of its server from the start."""

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
    """Open a session with the server that is meant, and start the sandbox if it is that.

    It speaks the version that was asked for, or the one named here.
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
            ssl=_own_authorities(),
            trust_env=True,
        ) as nex:
            yield OpenedSession(nex=nex, url=url)
        return
    from nexhealth_async.sandbox import Sandbox

    patients = 5000 if entry.patients is None else entry.patients
    seed = 1 if entry.seed is None else entry.seed
    async with (
        Sandbox(patients=patients, seed=seed) as box,
        NexHealth(
            box.api_key, base_url=box.url, version=version or entry.version, retry=retry
        ) as nex,
    ):
        yield OpenedSession(
            nex=nex, url=box.url, subdomain=box.subdomain, location_id=box.location_id
        )


async def resolve_scope(
    opened: OpenedSession, row: OperationSpec, *, subdomain: str | None, location_id: int | None
) -> NexHealth:
    """Bind practice and location as far as the operation needs them.

    What was not given is looked up; raises `CliError` with a list to choose from if there is a
    choice.
    """
    from nexhealth_async._protocol.operations import ScopeNeed

    found = evolve(
        opened,
        subdomain=subdomain or (opened.subdomain if location_id is None else None),
        location_id=location_id or (opened.location_id if subdomain is None else None),
    )
    practice_lacks = row.subdomain is ScopeNeed.REQUIRED and found.subdomain is None
    wants_location = row.location is ScopeNeed.REQUIRED or "location_id" in row.one_of
    location_lacks = wants_location and found.location_id is None
    if practice_lacks or location_lacks:
        found = await _find_location(found, any_location=not location_lacks)
    if row.location is ScopeNeed.NONE:
        found = evolve(found, location_id=None)
    return found.nex.with_options(subdomain=found.subdomain, location_id=found.location_id)


async def _find_location(subdomain: OpenedSession, *, any_location: bool) -> OpenedSession:
    seen = await _matching_locations(subdomain.nex, subdomain.subdomain, subdomain.location_id)
    if subdomain.location_id is None:
        seen = [location for location in seen if not location.inactive]
    practices = {location.subdomain for location in seen}
    if len(practices) == 1 and any_location:
        return evolve(subdomain, subdomain=seen[0].subdomain)
    if len(seen) == 1:
        return evolve(subdomain, subdomain=seen[0].subdomain, location_id=seen[0].id)
    if not seen:
        raise _not_visible_error(subdomain.subdomain, subdomain.location_id)
    raise CliError(
        "This key sees several; choose one of\n" + "\n".join(_location_text(one) for one in seen)
    )


async def check_location(nex: NexHealth, *, subdomain: str | None, location_id: int | None) -> None:
    """Raise `CliError` if the key does not see the practice or the location that was named."""
    named = subdomain is not None or location_id is not None
    if named and not await _matching_locations(nex, subdomain, location_id):
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
    which = "no active location" if location_id is None else f"no location {location_id}"
    whose = "" if subdomain is None else " in a practice of that name"
    return CliError(f"This key sees {which}{whose}; `nexhealth practices` lists those there are.")


def _location_text(location: Location) -> str:
    flags = f"--practice {location.subdomain} --location {location.id}"
    return f"  {flags}   {escape_controls(location.name or '')}"
