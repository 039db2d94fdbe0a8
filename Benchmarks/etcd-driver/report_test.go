package main

import (
	"testing"
	"time"
)

func TestPercentilesAreByNearestRank(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	cases := []struct {
		values  []int64
		percent int
		want    int64
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100},
		{[]int64{7}, 50, 7}, {[]int64{7}, 99, 7}, {[]int64{1, 2, 3}, 50, 2}, {nil, 99, 0},
	}
	for _, c := range cases {
		if got := percentile(c.values, c.percent); got != c.want {
			t.Errorf("percentile %d of %d values is %d, not %d", c.percent, len(c.values), got, c.want)
		}
	}
}

func TestARateCountsOnlySuccesses(t *testing.T) {
	r := newReport("write", 2, []int64{3e6, 1e6, 2e6, 4e6}, 6, 2*time.Second)
	if r.Rate != 2 || r.Requests != 4 || r.Errors != 6 || r.P50 != 2 || r.P99 != 4 {
		t.Errorf("%+v", r)
	}
}

func TestAPhaseHandsOutItsRequestsOnceAndEndsWhenTold(t *testing.T) {
	p := &phase{left: 2}
	first, ok1 := p.draw()
	second, ok2 := p.draw()
	if _, ok := p.draw(); ok || !ok1 || !ok2 || first != 1 || second != 2 {
		t.Errorf("drew %d, %d, then more: %v", first, second, ok)
	}
	endless := &phase{left: 1 << 40}
	endless.end()
	if _, ok := endless.draw(); ok {
		t.Error("a request was drawn after the end")
	}
}
