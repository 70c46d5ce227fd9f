"""The reflector's gate: what is recorded, imagined, learned and judged before any post-training."""
