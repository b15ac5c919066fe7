"""Entry point of ``python -m nexhealth_async`` and of the console script ``nexhealth``."""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA = frozenset({"cyclopts", "rich"})


def main() -> int:
    """Run the command line and return its exit status."""
    try:
        from nexhealth_async.cli import run
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            'The command line needs the extra cli: python -m pip install "nexhealth-async[cli]"\n'
        )
        return 2
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
