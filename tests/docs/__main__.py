"""``python -m tests.docs`` writes anew whatever on the pages is made from code and results."""

from __future__ import annotations

from tests.docs import comparison, drawings, migration, operations
from tests.docs.parts import write

write([*operations.PARTS, *migration.PARTS, *comparison.PARTS])
drawings.draw()
