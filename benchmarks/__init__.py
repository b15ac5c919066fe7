"""Benchmarks of the library, each against a known yardstick; see README.md here."""
