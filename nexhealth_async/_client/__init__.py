"""One API call: retries, deadline, token, rate limiter, transport, hooks, budget, statistics."""
