"""Run the benchmarks: ``python -m benchmarks``; see README.md here."""

from __future__ import annotations

if __name__ == "__main__":
    # Imported here, since every server process imports this module again.
    from benchmarks.command import main

    main()
