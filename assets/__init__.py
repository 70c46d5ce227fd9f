"""Models, meshes and small checkpoints; read them through `octoworld.core.paths.asset`."""

__suite__ = "octoworld"
