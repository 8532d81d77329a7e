"""`python -m amqpbroker` is the console script."""

from amqpbroker.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
