"""Walks over lists that people change: a machine that does both, and what was promised of them.

`office` changes the sandbox and remembers who was listed, `held` keeps requests and replies on
their way, `stage` walks, `promises` judges by what the office remembers alone. Hypothesis drives
them in `machine`, plain chance in `long`.
"""
