package main

import (
	"sort"
	"time"
)

// report is the result of a run, under the names `starling bench --json` uses.
type report struct {
	Operation string  `json:"operation"`
	Sessions  int     `json:"sessions"`
	Requests  int     `json:"requests"` // that succeeded
	Errors    int     `json:"errors"`
	Rate      float64 `json:"rate"` // successes a second
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// newReport sorts `latencies` (nanoseconds) in place.
func newReport(operation string, sessions int, latencies []int64, errors int, elapsed time.Duration) report {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	return report{
		Operation: operation,
		Sessions:  sessions,
		Requests:  len(latencies),
		Errors:    errors,
		Rate:      float64(len(latencies)) / elapsed.Seconds(),
		P50:       milliseconds(percentile(latencies, 50)),
		P99:       milliseconds(percentile(latencies, 99)),
	}
}

// percentile is the nearest-rank percentile of sorted values, and 0 when there are none.
func percentile(sorted []int64, percent int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	if rank < 1 {
		rank = 1
	}
	return sorted[rank-1]
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / 1e6 }
