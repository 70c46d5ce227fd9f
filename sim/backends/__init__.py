"""Physics backends: each translates a Scene into one engine and decides nothing."""

__suite__ = "octoworld"
