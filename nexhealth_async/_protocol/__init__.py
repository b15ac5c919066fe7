"""The rules of the API as pure functions: no I/O, no clock, no randomness."""

__all__: list[str] = []
