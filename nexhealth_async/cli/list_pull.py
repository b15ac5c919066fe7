"""``nexhealth pull`` of one list to stdout or a file, as JSON lines or a table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from attrs import define, evolve, field

from nexhealth_async._protocol.api_versions import V2, V3
from nexhealth_async.cli import terminal
from nexhealth_async.cli.exit_status import CliError, run
from nexhealth_async.cli.list_names import check_names
from nexhealth_async.cli.open_session import check_location, resolve_scope
from nexhealth_async.cli.output import open_writer
from nexhealth_async.cli.progress import ListProgress, ProgressDisplay, progress_display
from nexhealth_async.cli.pull_command import PullCommand, open_pull, resolve_version
from nexhealth_async.cli.pull_options import (
    OutputOptions,
    parse_since,
    parse_timestamp,
    parse_window,
)
from nexhealth_async.cli.pull_summary import PullSummary, pace_text
from nexhealth_async.cli.table_columns import RESOURCE_TABLES, ResourceTable
from nexhealth_async.cli.tables import TextTable, terminal_width
from nexhealth_async.errors import NotFoundError, PermissionDeniedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexhealth_async import NexHealth
    from nexhealth_async._protocol.operations import Endpoint, OperationSpec
    from nexhealth_async.cli.open_session import CliApiKey
    from nexhealth_async.cli.output import OutputWriter
    from nexhealth_async.pagination.walk import Page, Walk

__all__ = ["ListPull"]

T = TypeVar("T")


@define(kw_only=True)
class ListPull:
    """A pull of one list and its counts so far."""

    command: PullCommand
    name: str
    kind: ResourceTable
    subdomain: str | None
    location_id: int | None
    output: OutputOptions
    progress: ListProgress = field()
    records: int = 0
    pages_with_warnings: int = 0
    hidden_columns: tuple[str, ...] = ()
    version: str | None = None
    """API version of the session, once it is known."""

    @classmethod
    def for_command(cls, command: PullCommand) -> ListPull:
        """Check the options; raise `CliError` for invalid ones."""
        name = command.lists[0]
        check_names([name], command.entry.pinned_version)
        kind = RESOURCE_TABLES.get(name) or ResourceTable(
            f"record of {name}", f"records of {name}", ()
        )
        pull = cls(
            command=command,
            name=name,
            kind=kind,
            subdomain=_single("practice", command.scope.practice),
            location_id=_single("location", command.scope.location),
            output=_resolve_format(command.output, kind),
            progress=ListProgress(kind.plural),
        )
        pull._check_versions()
        parse_window(command.filters)
        return pull

    def run(self, key: CliApiKey) -> PullSummary:
        """Pull all pages."""
        started = time.monotonic()
        with open_writer(self.output.output) as writer:
            run(self._pull(key, writer))
        return PullSummary(
            text=self._summary(time.monotonic() - started), hidden_columns=self.hidden_columns
        )

    def early_end_text(self, *, stopped: bool) -> str | None:
        """Return that no file was written, after a signal."""
        path = self.output.output
        if stopped and path is not None and (path.is_file() or not path.exists()):
            return f"Stopped; {path} was not written."
        return None

    def _check_versions(self) -> None:
        """Raise `CliError` if no version that the session may use takes the options."""
        errors: list[CliError] = []
        pinned = self.command.entry.pinned_version
        for version in (V2, V3) if pinned is None else (pinned,):
            try:
                self._build_filters(self._list_spec(version))
            except CliError as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def _list_spec(self, version: str) -> OperationSpec:
        """Return the spec of the list's operation in a version."""
        from nexhealth_async.bulk import facts

        check_names([self.name], version)
        spec = facts(self.name, version).spec
        if "{id}" in spec.path:
            raise CliError(
                f"{self.name} can only be read location by location: add --to, such as --to out/."
            )
        return spec

    def _build_filters(self, spec: OperationSpec) -> dict[str, object]:
        """Return the filters and walk options; raise `CliError` for those that the list lacks."""
        options, names = self.command.filters, spec.filters
        for option, minimum in (("limit", 0), ("per_page", 1), ("prefetch", 0)):
            number = cast("int | None", getattr(options, option))
            if number is not None and number < minimum:
                raise CliError(f"--{option.replace('_', '-')} must be at least {minimum}.")
        filters: dict[str, object] = {"limit": options.limit}
        if spec.max_per_page is not None:
            filters |= {
                "per_page": options.per_page,
                "prefetch": 1 if options.prefetch is None else options.prefetch,
                "drift": options.drift or "watch",
            }
        elif options.per_page is not None:
            raise CliError(f"{self.kind.plural} are not paginated: leave out --per-page.")
        for option, name in (("since", "updated_since"), ("start", "start"), ("end", "end")):
            text = cast("str | None", getattr(options, option))
            if text is None:
                if name in spec.required:
                    raise CliError(
                        f"{self.kind.plural} need --start and --end: add both, or add --to to "
                        "pull all of them."
                    )
            elif name in names:
                filters[name] = (
                    parse_since(text) if option == "since" else parse_timestamp(option, text)
                )
            else:
                raise CliError(
                    f"{self.kind.plural} cannot be filtered by --{option}: leave it out."
                )
        if "updated_since" in spec.one_of:
            from nexhealth_async.bulk.target_support import BEGINNING

            filters.setdefault("updated_since", BEGINNING)
        return {name: value for name, value in filters.items() if value is not None}

    async def _pull(self, key: CliApiKey, writer: OutputWriter) -> None:
        """Read the pages and write each one."""
        # If stdout and stderr are terminals, the display is hidden while rows are written.
        is_shared = self.output.output is None and terminal.output_is_terminal()
        table = self._table() if self.output.format == "table" else None
        async with (
            open_pull(self.command, key) as session,
            progress_display(self.progress, enabled=not self.output.quiet) as display,
        ):
            self.version = await resolve_version(session.nex, self.command.lists)
            spec = self._list_spec(self.version)
            filters = self._build_filters(spec)
            nex = await resolve_scope(
                session, spec, subdomain=self.subdomain, location_id=self.location_id
            )
            try:
                async for page in _walk(nex, self.name, filters).raw_json().pages():
                    data = (
                        _json_lines(page.items)
                        if table is None
                        else _table_rows(table, self.kind, page.items)
                    )
                    await _write(writer, data, display if is_shared else None)
                    self._record_page(page)
                if table is not None:
                    self.hidden_columns = table.hidden_columns
            except (PermissionDeniedError, NotFoundError):
                await check_location(
                    session.nex, subdomain=self.subdomain, location_id=self.location_id
                )
                raise

    def _table(self) -> TextTable:
        colour = self.output.output is None and terminal.is_coloured()
        return TextTable(self.kind.columns, width=terminal_width(), colour=colour)

    def _record_page(self, page: Page[bytes]) -> None:
        self.records += len(page.items)
        self.pages_with_warnings += bool(page.warnings)
        total, limit = page.count, self.command.filters.limit
        if total is not None and limit is not None:
            total = min(total, limit)
        self.progress.update(self.records, total)

    def _summary(self, seconds: float) -> str:
        path = self.output.output
        pace = pace_text(
            seconds=seconds,
            records=self.records,
            version=self.version,
            target=None if path is None else f"written to {path}",
        )
        text = f"{self.kind.counted(self.records)} {pace}"
        if self.pages_with_warnings:
            text += f"\nnote: {self.pages_with_warnings} of the pages came with warnings"
        return text


async def _write(writer: OutputWriter, data: bytes, display: ProgressDisplay | None) -> None:
    if display is None:
        await writer.write(data)
        return
    with display.hide():
        await writer.write(data)


def _walk(nex: NexHealth, name: str, filters: dict[str, object]) -> Walk[object]:
    from nexhealth_async.session import client_of

    return client_of(nex).walk(_endpoint(name), filters)


def _endpoint(name: str) -> Endpoint[object]:
    from nexhealth_async.resources import ENDPOINTS

    return next(
        endpoint for endpoint in ENDPOINTS if endpoint.resource == name and endpoint.verb == "walk"
    )


def _resolve_format(output: OutputOptions, kind: ResourceTable) -> OutputOptions:
    if output.output is not None and str(output.output) == "-":
        output = evolve(output, output=None)
    if output.format is None:
        has_table = kind.columns and output.output is None and terminal.output_is_terminal()
        output = evolve(output, format="table" if has_table else "jsonl")
    elif output.format == "table" and not kind.columns:
        raise CliError(f"{kind.plural} have no table: leave out --format table to get JSON lines.")
    return output


def _single(option: str, values: tuple[T, ...]) -> T | None:
    if len(values) > 1:
        raise CliError(f"Only a bulk pull takes more than one --{option}: add --to.")
    return values[0] if values else None


def _json_lines(records: Sequence[bytes]) -> bytes:
    # Valid JSON has line breaks only between tokens, so they can be replaced by spaces.
    return b"".join(
        (record if b"\n" not in record and b"\r" not in record else _on_one_line(record)) + b"\n"
        for record in records
    )


def _on_one_line(record: bytes) -> bytes:
    return record.replace(b"\r", b" ").replace(b"\n", b" ")


def _table_rows(table: TextTable, kind: ResourceTable, records: Sequence[bytes]) -> bytes:
    rows = [
        [column.text(fields) for column in kind.columns] for fields in map(_parse_record, records)
    ]
    return table.lines(rows).encode(errors="replace")


def _parse_record(record: bytes) -> dict[str, object]:
    try:
        value: object = msgspec.json.decode(record)
    except (ValueError, RecursionError):
        value = None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {"id": "(unreadable)"}
