"""How fast the broker is, beside others: load from outside, figures, ratios.

``python -m bench --help`` says what can be asked for, docs/performance.md what the figures mean.
Nothing here imports the broker: it is started as a program and spoken to over its socket, like
its rivals.  The parts, from the outside in:

    __main__   the command line                    smoke      a short run with floors, for CI
    runner     rounds, in turn, waiting ones paused
    workloads  what is measured, as a table        throughput, probes   how it is measured
    workforce  the load processes, seen from here  load, pace           seen from inside
    messages   what they send, encoded ahead       meters               what they count
    brokers    ours and rivals: start, pause       procfs     pids, CPU time, resident memory
    client     a blocking AMQP client              results, report, svg figures, tables, picture
"""
