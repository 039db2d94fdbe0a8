// etcd-driver loads an etcd cluster the way `starling bench` loads Starling: a fixed number of sessions, each with one
// request outstanding, over a fixed number of connections. It prints one JSON object with the keys `starling bench`
// prints, so that script/bench can set the two side by side.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// options is what the command line says.
type options struct {
	endpoints   []string
	operation   string
	sessions    int
	connections int
	requests    int
	seconds     float64
	size        int
	keys        int
	claim       string
	warmUp      int
	timeout     time.Duration
	json        bool
}

func parseOptions() (options, error) {
	var o options
	endpoints := flag.String("endpoints", "127.0.0.1:2379",
		"client addresses, comma-separated; connection i uses address i modulo their number")
	flag.StringVar(&o.operation, "op", "write", "write (put, a fresh key each), read (linearizable get) or queue (half the sessions put jobs, half take them)")
	flag.IntVar(&o.sessions, "sessions", 64, "sessions, each with one request outstanding")
	flag.IntVar(&o.connections, "connections", 8, "TCP connections the sessions are spread over")
	flag.IntVar(&o.requests, "requests", 0, "measured requests in all; excludes --seconds")
	flag.Float64Var(&o.seconds, "seconds", 0, "measured time; excludes --requests")
	flag.IntVar(&o.size, "size", 256, "bytes of each value")
	flag.IntVar(&o.keys, "keys", 0, "write to this many keys in a circle; 0: every write has a key of its own")
	flag.StringVar(&o.claim, "claim", "recipe",
		"how a worker takes a job: recipe (etcd's own, the oldest one) or spread (one of the oldest, at random)")
	flag.IntVar(&o.warmUp, "warm-up", -1, "unmeasured requests beforehand; -1: four a session")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "give up and exit 1 after this long")
	flag.BoolVar(&o.json, "json", false, "print one JSON object instead of a line for people")
	flag.Parse()
	o.endpoints = strings.Split(*endpoints, ",")
	if o.warmUp < 0 {
		o.warmUp = 4 * o.sessions
	}
	switch {
	case o.operation != "write" && o.operation != "read" && o.operation != "queue":
		return o, fmt.Errorf("--op is write, read or queue, not %q", o.operation)
	case o.claim != "recipe" && o.claim != "spread":
		return o, fmt.Errorf("--claim is recipe or spread, not %q", o.claim)
	case o.operation == "queue" && (o.sessions < 2 || o.requests == 0):
		return o, fmt.Errorf("a queue takes --requests, the number of jobs, and at least two sessions")
	case o.sessions < 1 || o.connections < 1 || o.connections > o.sessions:
		return o, fmt.Errorf("at least one connection, and no more connections than sessions")
	case (o.requests > 0) == (o.seconds > 0):
		return o, fmt.Errorf("either --requests or --seconds")
	case o.size < 1 || o.size > 1<<20:
		return o, fmt.Errorf("--size is 1 to 1048576 bytes")
	case flag.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	return o, nil
}

func main() {
	o, err := parseOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-driver:", err)
		os.Exit(2)
	}
	// The collector must not be what limits the peer: the two cores are shared with its servers.
	debug.SetGCPercent(800)
	// One watchdog for the whole run: a deadline for each request would cost each request a timer.
	time.AfterFunc(o.timeout, func() {
		fmt.Fprintln(os.Stderr, "etcd-driver: not finished after", o.timeout)
		os.Exit(1)
	})
	measure := measure
	if o.operation == "queue" {
		measure = measureQueue
	}
	r, err := measure(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-driver:", err)
		os.Exit(1)
	}
	if o.json {
		json.NewEncoder(os.Stdout).Encode(r)
	} else {
		fmt.Printf("%s: %d sessions, %d requests, %d errors, %.0f/s, p50 %.3f ms, p99 %.3f ms\n",
			r.Operation, r.Sessions, r.Requests, r.Errors, r.Rate, r.P50, r.P99)
	}
}
