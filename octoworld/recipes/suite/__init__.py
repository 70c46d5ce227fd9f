"""Bench `suite`: experts, learning curves of three policies, and the splits, over all tasks."""
