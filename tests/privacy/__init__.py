"""Sentinels: marks in every personal or secret value, and a search of everything that can be seen.

`sentinels` makes the marks, `sentinel_server` serves records full of them, `calls` and
`transport_errors` drive the calls through success and failure, and `sentinel_search` searches.
Add two lines for everything new in which the library shows something (a hook, a span, a webhook
event, a store):

- in ``outputs.py``, a context manager that passes what it sees to the scanner, with its name in
  ``SURFACES``, so that every call of this package is checked there;
- in ``calls.py``, a call in ``ACTS``, so that it is driven through every transport error.

There are no exceptions: the library must not hold in a frame what the frame must not show.
"""
