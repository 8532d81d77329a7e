"""The console script.  It imports as little as it can before the port is open."""
