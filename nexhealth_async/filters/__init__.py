"""What each operation may be asked and what each write may carry, as typed dictionaries.

Names are the API's v3 names in both versions. A ``datetime`` must have a zone: one without is
refused, because the API would guess. Give a sequence where one is asked for, even for one value.
A practice and a location are never required here, since a scope or the session may bind them.
"""

from nexhealth_async.filters import (
    clinical,
    hooks,
    insurance,
    ledger,
    people,
    practice,
    schedule,
    shared,
)
from nexhealth_async.filters.clinical import *  # noqa: F403 - pinned by the modules own __all__
from nexhealth_async.filters.hooks import *  # noqa: F403
from nexhealth_async.filters.insurance import *  # noqa: F403
from nexhealth_async.filters.ledger import *  # noqa: F403
from nexhealth_async.filters.people import *  # noqa: F403
from nexhealth_async.filters.practice import *  # noqa: F403
from nexhealth_async.filters.schedule import *  # noqa: F403
from nexhealth_async.filters.shared import *  # noqa: F403

__all__: list[str] = []
__all__ += clinical.__all__
__all__ += hooks.__all__
__all__ += insurance.__all__
__all__ += ledger.__all__
__all__ += people.__all__
__all__ += practice.__all__
__all__ += schedule.__all__
__all__ += shared.__all__
