#!/usr/bin/env python3
"""Speaks the command line that script/bench expects of `starling`, and nothing more. Rates are sessions times 1,000."""

import http.server
import json
import os
import sys


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


def plan():
    os.makedirs(option("--out"), exist_ok=True)
    for server in option("--servers").split(","):
        open(os.path.join(option("--out"), server.split("=")[0] + ".plan.json"), "w").close()
    open(os.path.join(option("--out"), "client.json"), "w").close()


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()


def serve():
    if not os.path.exists(option("--plan")):
        sys.exit("no plan")
    peer, client, web = (int(option(name).split(":")[1]) for name in ("--peer", "--client", "--http"))
    if (client - peer, web - peer) != (20, 40):
        sys.exit("unexpected ports")
    http.server.HTTPServer(("127.0.0.1", web), Ready).serve_forever()


def bench():
    if not os.path.exists(option("--client-file")) or len(option("--servers").split(",")) != 3:
        sys.exit("no client file")
    sessions = int(option("--sessions"))
    print(json.dumps({"operation": sys.argv[2], "sessions": sessions, "requests": int(option("--requests")),
                      "errors": 0, "rate": 1000.0 * sessions, "p50_ms": 1.0, "p99_ms": 2.0}))


{"cluster": plan, "serve": serve, "bench": bench}[sys.argv[1]]()
