"""The broker on a network: trio, sockets, sessions, timers, and the options of `serve`."""
