"""The canary: marks in everything personal or secret, and a search of everything that may be seen.

`marks` makes the marks, `office` serves records full of them, `acts` and `weather` drive calls
through success and fault, and `watch` searches. What the library shows in a new place (a hook, a
span, a webhook's event, a store) joins by two lines:

- a context manager in ``surfaces.py`` that hands what it sees to the watch, and its name in
  ``SURFACES``: every drive here then goes under its eyes;
- a call in ``acts.py``'s ``ACTS``, so that it is driven through every weather.

Nothing is to be excused there: what a frame of the library may not show it must not hold.
"""
