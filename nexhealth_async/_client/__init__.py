"""One API call: retries, deadline, token, rate limiter, transport, hooks, budget, statistics."""

__all__: list[str] = []
