"""Pulls in processes that are killed, resumed in new ones, and compared with the truth."""
