"""Benchmarks of the library, each against something a reader knows; see README.md here."""
