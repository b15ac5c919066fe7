"""Walks over lists that change: a state machine that changes them, and the promises of each walk.

`changing_list` changes the sandbox and records who was listed, `held_source` holds requests and
responses in flight, `steps` walks, `promises` judges by the record of `changing_list` alone.
Hypothesis drives them in `state_machine`; `long_run` uses plain random choices.
"""
