"""The headline: a policy of five demonstrations a task gets better in imagination alone."""
