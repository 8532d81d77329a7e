"""Unmodified clients of other people, run against a broker that is given by its URL.

``programs/`` look like what people write with pika, aio-pika, kombu and Celery; ``suites.py``
runs the clients' own tests; ``toolchains.py`` runs programs for Node.js, Go and Java.  What
cannot pass is in ``manifest.toml`` with what it needs, and is reported when it does pass.
"""
