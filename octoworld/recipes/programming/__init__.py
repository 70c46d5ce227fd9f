"""Programmers of households: agents of any kind are taught, trained by feedback, and tested."""
