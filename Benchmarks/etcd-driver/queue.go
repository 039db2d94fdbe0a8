package main

import (
	"context"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
	recipe "go.etcd.io/etcd/contrib/recipes"
	"go.etcd.io/etcd/mvcc/mvccpb"
)

// queue is a work queue of a prefix. Its jobs are put as etcd's own recipe puts them: under a key that must be new.
type queue struct {
	*recipe.Queue
	client *clientv3.Client
	prefix string
	spread int // of so many of the oldest jobs a worker takes one; 1: the recipe
}

func newQueue(client *clientv3.Client, prefix string, o options) *queue {
	q := &queue{recipe.NewQueue(client, prefix), client, prefix, 1}
	if o.claim == "spread" {
		q.spread = o.sessions / 2
	}
	return q
}

// take removes a job, waiting for one if need be. The recipe has every worker try to delete the oldest one, of which one
// worker succeeds; spread lets them try different ones, at the price of the order.
func (q *queue) take(ctx context.Context) error {
	if q.spread == 1 {
		_, err := q.Dequeue()
		return err
	}
	for {
		found, err := q.client.Get(ctx, q.prefix, clientv3.WithPrefix(), clientv3.WithLimit(int64(q.spread)))
		if err != nil {
			return err
		}
		if len(found.Kvs) == 0 {
			puts := []mvccpb.Event_EventType{mvccpb.PUT}
			if _, err := recipe.WaitPrefixEvents(q.client, q.prefix, found.Header.Revision, puts); err != nil {
				return err
			}
			continue
		}
		job := found.Kvs[rand.Intn(len(found.Kvs))]
		isStill := clientv3.Compare(clientv3.ModRevision(string(job.Key)), "=", job.ModRevision)
		removed, err := q.client.Txn(ctx).If(isStill).Then(clientv3.OpDelete(string(job.Key))).Commit()
		if err != nil || removed.Succeeded {
			return err
		}
	}
}

// measureQueue has the even sessions put jobs and the odd ones take them, until all are taken. A latency is that of a
// take, from asking to having.
func measureQueue(o options) (report, error) {
	clients, err := connect(o)
	if err != nil {
		return report{}, err
	}
	prefix := "jobs-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	job := strings.Repeat("x", o.size)
	var producers, workers []*session
	queues := map[*session]*queue{}
	for i := 0; i < o.sessions; i++ {
		s := &session{}
		queues[s] = newQueue(clients[i/2%len(clients)], prefix, o)
		if i%2 == 0 {
			producers = append(producers, s)
		} else {
			workers = append(workers, s)
		}
	}
	run := func(jobs int) time.Duration {
		var working sync.WaitGroup
		start := time.Now()
		role := func(sessions []*session, do func(s *session) request) {
			p := &phase{left: int64(jobs)}
			working.Add(len(sessions))
			for _, s := range sessions {
				go func(s *session) {
					defer working.Done()
					s.run(p, do(s))
				}(s)
			}
		}
		role(producers, func(s *session) request {
			return func(context.Context, clientv3.KV, int64) error { return queues[s].Enqueue(job) }
		})
		role(workers, func(s *session) request {
			return func(ctx context.Context, _ clientv3.KV, _ int64) error { return queues[s].take(ctx) }
		})
		working.Wait()
		return time.Since(start)
	}
	run(o.warmUp)
	for _, s := range append(append([]*session{}, producers...), workers...) {
		if s.firstErr != nil {
			return report{}, fmt.Errorf("warming up: %w", s.firstErr)
		}
		s.latencies = make([]int64, 0, 1<<12)
	}
	elapsed := run(o.requests)
	left, err := clients[0].Get(context.Background(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return report{}, fmt.Errorf("counting what is left: %w", err)
	}
	if left.Count != 0 {
		return report{}, fmt.Errorf("%d jobs are left, and every one was taken", left.Count)
	}
	for _, s := range producers {
		if s.firstErr != nil {
			return report{}, fmt.Errorf("putting a job: %w", s.firstErr)
		}
	}
	return summarize(o, workers, elapsed), nil
}
