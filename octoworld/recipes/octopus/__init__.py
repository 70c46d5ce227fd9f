"""Octopus: agents that see a home and write programs, taught by demonstrations and by feedback."""
