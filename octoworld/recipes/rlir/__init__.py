"""Bench `rlir`: do world models of both paradigms learn to obey actions, and who says so?"""
