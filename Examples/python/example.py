"""A queue of jobs: writes three, works them off, counts what is left. Usage: example.py HOST:PORT [KEY-IN-Z85]"""
import sys

from zmq.utils import z85

from starling_client import ANY, Starling

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7460"
server = (address, z85.decode(sys.argv[2])) if len(sys.argv) > 2 else address

with Starling(server) as space:
    for number in range(3):
        space.write("jobs", ["job", number, {"size": 1.5}])
    print("written:", space.count("jobs", ["job", ANY, ANY]))
    print("newest:", space.read_all("jobs", ["job", ANY, ANY], limit=1, newest=True)[0][1])
    while held := space.take("jobs", ["job", ANY, ANY]):
        with held:
            print("working on", held.tuple)
    space.flush()
    print("left:", space.count("jobs", ["job", ANY, ANY]))
    print("nothing:", space.read("jobs", ["job", ANY, ANY], timeout=0.2))
