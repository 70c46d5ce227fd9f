"""The command line: `octoworld VERB ...`, one module a verb."""
