"""A reprocessing as a process: `python reprocess_process.py CASE SCHEDULER HOURS`; tests start it and kill it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import service_stub as stub

from pipeline.service.reprocessing import reprocess


def main(case, scheduler, count):
    """Reprocess the first hours; print how many were made, were there already, and failed."""
    hours = [stub.FIRST + number * stub.HOUR for number in range(count)]
    with stub.stubbed(), stub.run(case, stub.Clocks(count + stub.LAG), "reprocess") as (service, outcome):
        service.look()
        print("begun", flush=True)
        reprocess(service, "R1", hours, outcome, scheduler=scheduler)
    print(len(outcome.made), len(outcome.same), len(outcome.failed), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
