"""The example of the README, as it stands there."""
