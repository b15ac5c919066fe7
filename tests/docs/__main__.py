"""``python -m tests.docs`` writes anew whatever on the pages is made from code and results."""

from __future__ import annotations

from tests.docs import comparison, drawings
from tests.docs.parts import write

write(comparison.PARTS)
drawings.draw()
