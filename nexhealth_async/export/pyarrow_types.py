"""Types of the used part of pyarrow, which declares none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from nexhealth_async._protocol.extras import extra_missing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Array",
    "ArrowTable",
    "DataType",
    "Field",
    "ParquetLibrary",
    "ParquetWriter",
    "PyArrow",
    "Schema",
    "arrow",
    "min_and_max",
    "parquet",
]


class DataType(Protocol):
    """A `pyarrow.DataType`."""

    def equals(self, other: DataType, /) -> bool:
        """Return True if two types are the same."""
        ...


class Field(Protocol):
    """A `pyarrow.Field`."""

    @property
    def name(self) -> str:
        """The column's name."""
        ...

    @property
    def type(self) -> DataType:
        """The column's type."""
        ...


class Schema(Protocol):
    """A `pyarrow.Schema`."""

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        ...

    def field(self, name: str, /) -> Field:
        """Return one column."""
        ...

    def equals(self, other: Schema, /) -> bool:
        """Return True if two schemas are the same."""
        ...

    def empty_table(self) -> ArrowTable:
        """Return a table without rows."""
        ...


class Array(Protocol):
    """A `pyarrow.Array`, or a chunked one."""

    def __len__(self) -> int: ...

    @property
    def null_count(self) -> int:
        """Number of nulls."""
        ...

    def flatten(self) -> list[Array]:
        """Return the parts of structs; null if the struct is null."""
        ...

    def fill_null(self, value: object, /) -> Array:
        """Return the elements with nulls replaced by a value."""
        ...

    def view(self, kind: DataType, /) -> Array:
        """Return the same bytes as another type."""
        ...

    def to_pylist(self) -> list[object]:
        """Return the elements as Python objects."""
        ...


class ArrowTable(Protocol):
    """A `pyarrow.Table`, accepted everywhere a table is."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        ...

    @property
    def schema(self) -> Schema:
        """Schema of the table."""
        ...

    def column(self, name: str, /) -> Array:
        """Return one column."""
        ...

    def append_column(self, name: str, column: Array, /) -> ArrowTable:
        """Return the table with one more column."""
        ...

    def to_pylist(self) -> list[dict[str, object]]:
        """Return the rows as dicts."""
        ...

    def to_pandas(self) -> object:
        """Return a `pandas.DataFrame`."""
        ...

    def combine_chunks(self) -> ArrowTable:
        """Return the table with one chunk per column."""
        ...

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table to another library without copying."""
        ...


class _TableType(Protocol):
    def from_arrays(self, arrays: Sequence[Array], *, schema: Schema) -> ArrowTable: ...


class _StructArrayType(Protocol):
    def from_arrays(
        self, arrays: Sequence[Array], *, fields: Sequence[Field], mask: Array | None
    ) -> Array: ...


class _ListArrayType(Protocol):
    def from_arrays(
        self,
        offsets: Array,
        values: Array,
        *,
        type: DataType,  # noqa: A002 - pyarrow's name
        mask: Array | None,
    ) -> Array: ...


_Table = ArrowTable  # the next class has a member of the name Table


class PyArrow(Protocol):
    """The module `pyarrow`."""

    @property
    def Table(self) -> _TableType: ...  # noqa: D102, N802 - pyarrow's name
    @property
    def StructArray(self) -> _StructArrayType: ...  # noqa: D102, N802 - as above
    @property
    def ListArray(self) -> _ListArrayType: ...  # noqa: D102, N802 - as above
    def array(self, values: Iterable[object], kind: DataType, /) -> Array: ...  # noqa: D102
    def nulls(self, size: int, kind: DataType, /) -> Array: ...  # noqa: D102
    def repeat(self, value: object, size: int) -> Array: ...  # noqa: D102
    def field(self, name: str, kind: DataType, nullable: bool, /) -> Field: ...  # noqa: D102, FBT001
    def schema(self, fields: Sequence[Field]) -> Schema: ...  # noqa: D102
    def struct(self, fields: Sequence[Field]) -> DataType: ...  # noqa: D102
    def list_(self, element: Field) -> DataType: ...  # noqa: D102
    def int32(self) -> DataType: ...  # noqa: D102
    def int64(self) -> DataType: ...  # noqa: D102
    def float64(self) -> DataType: ...  # noqa: D102
    def bool_(self) -> DataType: ...  # noqa: D102
    def string(self) -> DataType: ...  # noqa: D102
    def date32(self) -> DataType: ...  # noqa: D102
    def duration(self, unit: str) -> DataType: ...  # noqa: D102
    def timestamp(self, unit: str, tz: str) -> DataType: ...  # noqa: D102
    def decimal128(self, precision: int, scale: int) -> DataType: ...  # noqa: D102
    def concat_tables(self, tables: Sequence[_Table]) -> _Table: ...  # noqa: D102


class ParquetWriter(Protocol):
    """A `pyarrow.parquet.ParquetWriter`."""

    def write_table(self, table: ArrowTable, row_group_size: int) -> None:
        """Write a table in row groups of a maximum size."""
        ...

    def close(self) -> None:
        """Write the footer."""
        ...


class ParquetLibrary(Protocol):
    """The module `pyarrow.parquet`."""

    def ParquetWriter(  # noqa: D102, N802 - pyarrow's name
        self, where: object, schema: Schema, *, compression: str
    ) -> ParquetWriter: ...

    def read_table(self, source: Path, *, columns: list[str], partitioning: None) -> ArrowTable: ...  # noqa: D102
    def read_schema(self, where: Path) -> Schema: ...  # noqa: D102


@cache
def arrow() -> PyArrow:
    """Import pyarrow.

    Raises:
        UsageError: pyarrow is not installed; names the extra that installs it.
    """
    return cast("PyArrow", _import_pyarrow("pyarrow"))


class _Scalar(Protocol):
    def as_py(self) -> Mapping[str, int | None]: ...


class _Compute(Protocol):
    def min_max(self, array: Array) -> _Scalar: ...


@cache
def _compute() -> _Compute:
    return cast("_Compute", _import_pyarrow("pyarrow.compute"))


def min_and_max(numbers: Array) -> tuple[int, int] | None:
    """Return the smallest and the largest integer; None if there are none."""
    limits = _compute().min_max(numbers).as_py()
    smallest, largest = limits["min"], limits["max"]
    return None if smallest is None or largest is None else (smallest, largest)


@cache
def parquet() -> ParquetLibrary:
    """Import pyarrow's Parquet module."""
    return cast("ParquetLibrary", _import_pyarrow("pyarrow.parquet"))


def _import_pyarrow(name: str) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise extra_missing("Arrow and Parquet output", "pyarrow", "parquet") from None
