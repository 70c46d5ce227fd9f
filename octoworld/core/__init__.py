"""The floor of the suite: registry, config, random streams, files, errors. Imports nothing of ours."""
