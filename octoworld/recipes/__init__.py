"""Whole jobs, a page each."""
