"""Run ``python -m tests.docs`` to regenerate the parts of the pages made from code and results."""

from __future__ import annotations

from tests.docs import comparison, diagrams
from tests.docs.generated_parts import write

write(comparison.PARTS)
diagrams.draw()
