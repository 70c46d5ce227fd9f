"""Vision-language-action policies, and how they are trained."""

__suite__ = "octoworld"
