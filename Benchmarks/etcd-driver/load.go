package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc"
)

// phase is a supply of requests that all sessions draw from, so that none is left working alone at the end.
type phase struct {
	left  int64
	drawn int64
}

// draw returns the number of the next request, or false when the phase is over.
func (p *phase) draw() (int64, bool) {
	number := atomic.AddInt64(&p.drawn, 1)
	return number, number <= atomic.LoadInt64(&p.left)
}

func (p *phase) end() { atomic.StoreInt64(&p.left, 0) }

// session is one caller with one request outstanding. Only its own goroutine touches it during a phase.
type session struct {
	kv        clientv3.KV
	latencies []int64 // nanoseconds, of the requests that succeeded
	errors    int
	firstErr  error
}

// request performs request `number` of the load.
type request func(ctx context.Context, kv clientv3.KV, number int64) error

func (s *session) run(p *phase, do request) {
	// No cancellation here: a context with a parent to watch would put a lock on every request.
	ctx := context.Background()
	for {
		number, ok := p.draw()
		if !ok {
			return
		}
		start := time.Now()
		if err := do(ctx, s.kv, number); err != nil {
			s.errors++
			if s.firstErr == nil {
				s.firstErr = err
			}
			continue
		}
		s.latencies = append(s.latencies, int64(time.Since(start)))
	}
}

// drive runs one phase on all sessions and returns how long it took.
func drive(sessions []*session, p *phase, do request) time.Duration {
	var working sync.WaitGroup
	working.Add(len(sessions))
	start := time.Now()
	for _, s := range sessions {
		go func(s *session) {
			defer working.Done()
			s.run(p, do)
		}(s)
	}
	working.Wait()
	return time.Since(start)
}

// connect opens the connections, each a client with a single address: a client with several would spread one
// session's requests over several connections.
func connect(o options) ([]*clientv3.Client, error) {
	clients := make([]*clientv3.Client, 0, o.connections)
	for i := 0; i < o.connections; i++ {
		address := o.endpoints[i%len(o.endpoints)]
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   []string{address},
			DialTimeout: 10 * time.Second,
			DialOptions: []grpc.DialOption{grpc.WithBlock()},
		})
		if err != nil {
			return nil, fmt.Errorf("connecting to %s: %w", address, err)
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// requests returns what the load does: the writes of a run have keys no other run has.
func requests(o options) (prepare, measured request) {
	value := strings.Repeat("x", o.size)
	prefix := "run-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
	key := func(number, keys int64) string {
		if keys > 0 {
			number %= keys
		}
		return prefix + strconv.FormatInt(number, 36)
	}
	write := func(keys int64) request {
		return func(ctx context.Context, kv clientv3.KV, number int64) error {
			_, err := kv.Put(ctx, key(number, keys), value)
			return err
		}
	}
	if o.operation == "write" {
		return write(int64(o.keys)), write(int64(o.keys))
	}
	// The preparation of a read run writes every key the reads ask for.
	written := int64(o.sessions)
	read := func(ctx context.Context, kv clientv3.KV, number int64) error {
		found, err := kv.Get(ctx, key(number, written))
		if err == nil && len(found.Kvs) != 1 {
			err = fmt.Errorf("a written key was not found")
		}
		return err
	}
	return write(written), read
}

func measure(o options) (report, error) {
	clients, err := connect(o)
	if err != nil {
		return report{}, err
	}
	sessions := make([]*session, o.sessions)
	for i := range sessions {
		sessions[i] = &session{kv: clients[i%len(clients)].KV}
	}
	prepare, measured := requests(o)
	if o.operation == "read" {
		drive(sessions, &phase{left: int64(o.sessions)}, prepare)
	}
	drive(sessions, &phase{left: int64(o.warmUp)}, measured)
	for _, s := range sessions {
		if s.firstErr != nil {
			return report{}, fmt.Errorf("warming up: %w", s.firstErr)
		}
		s.latencies = make([]int64, 0, 1<<12)
	}
	p := &phase{left: math.MaxInt64}
	if o.requests > 0 {
		p.left = int64(o.requests)
	} else {
		time.AfterFunc(time.Duration(o.seconds*float64(time.Second)), p.end)
	}
	// Measured writes go on counting where the warm-up stopped, so that each key is fresh.
	elapsed := drive(sessions, p, func(ctx context.Context, kv clientv3.KV, number int64) error {
		return measured(ctx, kv, number+int64(o.warmUp))
	})
	return summarize(o, sessions, elapsed), nil
}

func summarize(o options, sessions []*session, elapsed time.Duration) report {
	var latencies []int64
	errors := 0
	for _, s := range sessions {
		latencies = append(latencies, s.latencies...)
		errors += s.errors
		if s.firstErr != nil && errors == s.errors {
			fmt.Fprintln(os.Stderr, "etcd-driver: first error:", s.firstErr)
		}
	}
	return newReport(o.operation, o.sessions, latencies, errors, elapsed)
}
