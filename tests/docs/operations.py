"""The README's table of all operations, made from the endpoint table.

``python -m tests.docs.operations`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from nexhealth_async.endpoints import ALL, LOGIN, Row

__all__ = ["BEGIN", "END", "operations_table"]

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- operations -->\n", "<!-- end of operations -->\n"


def operations_table() -> str:
    """Return the table in Markdown: each method, and its operation in each version."""
    lines = ["| method | API v2 | API v3 |", "| --- | --- | --- |"]
    lines.append(f"| (by itself) | {_cell(LOGIN)} | {_cell(LOGIN)} |")
    lines += [
        f"| `{endpoint.resource}.{endpoint.verb}` | {_cell(endpoint.v2)} | {_cell(endpoint.v3)} |"
        for endpoint in ALL
    ]
    return "\n".join(lines) + "\n"


def _cell(row: Row | None) -> str:
    return "" if row is None else f"`{row.operation}`"


def _write() -> None:
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n{operations_table()}\n{END}{after}"
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write()
