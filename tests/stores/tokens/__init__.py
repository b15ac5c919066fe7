"""One token for many processes: sealing, scripts, links, and a fleet under bad weather."""
