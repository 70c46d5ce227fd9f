"""Autopilots in the loop: real flight firmware that flies simulated robots."""
