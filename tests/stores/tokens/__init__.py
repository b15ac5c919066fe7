"""One token for many processes: encryption, scripts, connections, and a fleet under faults."""
