"""Every kind of operation under every fault, at every moment it may happen."""
