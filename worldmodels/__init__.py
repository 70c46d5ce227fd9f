__suite__ = "octoworld"
