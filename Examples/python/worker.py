"""Works off a queue, each job once, whatever dies. Usage: worker.py HOST:PORT,HOST:PORT,… [KEY-IN-Z85,…]

A job is a tuple ["job", NUMBER] in the space `jobs`, its result ["result", NUMBER, SQUARE] in `results`.

- A server dies: the client sends the same session and sequence number to another one, which does it if it was not done,
  and repeats the reply if it was. Nothing is to be done for that here; three addresses are better than one.
- This worker dies: the job that it held returns to the queue when its session has been silent for `session_seconds`.
- An acknowledgement goes in the header of the next command, here the one that writes the result: both are done as one,
  so a job is gone exactly if its result is there.
"""
import sys
import time

from zmq.utils import z85

from starling_client import ANY, Starling, StarlingError

def work(number):
    return number * number

def work_off(servers):
    """Until there has been no job for a second."""
    with Starling(*servers, session_seconds=10) as space:
        while held := space.take("jobs", ["job", ANY], timeout=1.0):
            number = held.tuple[1]
            result = work(number)  # longer than a third of session_seconds? Then call space.keep_alive() in between
            held.acknowledge()
            space.write("results", ["result", number, result])
            print(number, flush=True)

addresses = sys.argv[1].split(",")
keys = [z85.decode(key) for key in sys.argv[2].split(",")] if len(sys.argv) > 2 else [b""] * len(addresses)
while True:
    try:
        sys.exit(work_off(list(zip(addresses, keys))))
    except StarlingError as error:
        # The cluster was gone for too long, and the session with it: whatever we held is back in the queue.
        if error.code not in ("session-expired", "outcome-unknown"): raise
        print(error, file=sys.stderr)
        time.sleep(1)
