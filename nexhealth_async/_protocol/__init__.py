"""What the API means, as pure functions of plain values: no await, no clock, no randomness."""

__all__: list[str] = []
