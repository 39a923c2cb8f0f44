"""Jobs that do nothing, and note that they were started."""

import time


def nap(k, seconds, log):
    """k, after noting its start in the file log."""
    with open(log, "a") as file:
        file.write(f"{k}\n")
    time.sleep(seconds)
    return k


def naps(log, n=4, seconds=0.0):
    return {f"nap {k}": {"k": k, "seconds": seconds, "log": str(log)} for k in range(n)}


def started(log):
    return [int(line) for line in log.read_text().split()] if log.exists() else []
