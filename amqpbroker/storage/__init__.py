"""What survives: a log in segment files, its index, and the thread that writes it."""
