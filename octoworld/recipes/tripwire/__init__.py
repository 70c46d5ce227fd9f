"""Bench `tripwire`: does the alarm stop post-training in broken world models, and only there?"""
