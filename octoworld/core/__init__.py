"""The floor: registry, config, random streams, files, errors. Imports nothing of ours."""
