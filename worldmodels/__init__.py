"""World models: what will be seen if these actions are taken, learned from recordings."""

__suite__ = "octoworld"
