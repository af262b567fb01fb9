package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// measureEnd ends all streams at once, again and again.
func measureEnd(ctx context.Context, o options) ([]row, error) {
	return withFleet(ctx, o, func(ctx context.Context, c *cluster) ([]row, error) {
		var took, sinceCalled []time.Duration
		for round := range o.rounds {
			session := c.names(1)[0]
			token := c.issuer.Session(subject, authtest.With("sid", session), authtest.ExpiresIn(time.Hour))
			began := time.Now()
			if _, err := each[struct{}](c, "Open", func(int) any { return Streams{token, o.streams / len(c.workers)} }); err != nil {
				return nil, err
			}
			opened := time.Since(began)
			began = time.Now()
			if err := c.revoke(ctx, c.hubs[round%len(c.hubs)], session); err != nil {
				return nil, err
			}
			acknowledged := time.Now()
			ended, err := each[time.Time](c, "Ended", func(int) any { return token })
			if err != nil {
				return nil, err
			}
			last := slices.MaxFunc(ended, time.Time.Compare)
			took = append(took, max(last.Sub(acknowledged), 0)) // the call waits for the followers
			sinceCalled = append(sinceCalled, last.Sub(began))
			progress("%d streams were opened in %s, acknowledged after %s, ended after %s", o.streams, ms(opened), ms(acknowledged.Sub(began)), ms(sinceCalled[round]))
		}
		return []row{{
			fmt.Sprintf("revoke acknowledged → the last of %d streams ended", o.streams), "p99 ≤ 1 s",
			fmt.Sprintf("p99 %s; since the call p50 %s, p99 %s", ms(percentile(took, 99)), ms(percentile(sinceCalled, 50)), ms(percentile(sinceCalled, 99))),
			fmt.Sprintf("%d revocations, each of which ends all streams; %d services, HTTP/2, with their clients in the same 4 processes", o.rounds, o.followers),
		}}, nil
	})
}

// measureLag makes ten revocations a second, and then 1,000 a second: also with a tenth of
// the followers, since all of them have to share this machine.
func measureLag(ctx context.Context, o options) ([]row, error) {
	few := o
	few.followers = o.followers / 10
	rows, err := withFleet(ctx, few, few.measureManyRevocations)
	if err != nil {
		return nil, err
	}
	more, err := withFleet(ctx, o, func(ctx context.Context, c *cluster) ([]row, error) {
		lags, _, _, err := c.underLoad(ctx, 100*time.Millisecond, int(o.load/(100*time.Millisecond)), 1)
		if err != nil {
			return nil, err
		}
		rows, err := o.measureManyRevocations(ctx, c)
		return append([]row{{
			"a follower's lag at 10 revocations a second", "p99 ≤ 500 ms", fmt.Sprintf("p50 %s, p99 %s", ms(percentile(lags, 50)), ms(percentile(lags, 99))),
			fmt.Sprintf("acknowledged → in the copy, of each revocation at each of %d followers of 3 hubs, for %s", o.followers, o.load),
		}}, rows...), err
	})
	return append(more, rows...), err
}

func (o options) measureManyRevocations(ctx context.Context, c *cluster) ([]row, error) {
	const batch = 10
	during := min(o.load, 10*time.Second)
	lags, caughtUp, took, err := c.underLoad(ctx, time.Second*batch/1000, int(during/(time.Second*batch/1000)), batch)
	if err != nil {
		return nil, err
	}
	return []row{{
		fmt.Sprintf("the same at 1,000 a second for %s, %d followers", during, o.followers), "caught up ≤ 2 s after",
		fmt.Sprintf("caught up %s after the last; lag p50 %s, p99 %s", ms(caughtUp), ms(percentile(lags, 50)), ms(percentile(lags, 99))),
		fmt.Sprintf("%d in calls of %d, all acknowledged after %s", during/time.Millisecond, batch, took.Round(100*time.Millisecond)),
	}}, nil
}

// underLoad makes calls at an interval, each with so many revocations, and returns all
// lags, when the last follower had caught up after the last acknowledgement, and how long
// all calls took.
func (c *cluster) underLoad(ctx context.Context, interval time.Duration, calls, batch int) (lags []time.Duration, caughtUp, took time.Duration, err error) {
	if _, err := each[struct{}](c, "Mark", func(int) any { return struct{}{} }); err != nil {
		return nil, 0, 0, err
	}
	var mu sync.Mutex
	var acknowledged []time.Time
	var running errgroup.Group
	running.SetLimit(32) // or calls would wait for the database until they fail
	tick := time.NewTicker(interval)
	defer tick.Stop()
	began := time.Now()
	for i := range calls {
		sessions := c.names(batch)
		running.Go(func() error {
			err := c.revoke(ctx, c.hubs[i%len(c.hubs)], sessions...)
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			acknowledged = append(acknowledged, slices.Repeat([]time.Time{now}, batch)...)
			return err
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, 0, 0, context.Cause(ctx)
		}
	}
	if err := running.Wait(); err != nil {
		return nil, 0, 0, err
	}
	last := acknowledged[len(acknowledged)-1]
	all, err := each[Lag](c, "Lags", func(int) any { return acknowledged })
	if err != nil {
		return nil, 0, 0, err
	}
	for _, lag := range all {
		for after, n := range lag.Milliseconds {
			lags = append(lags, slices.Repeat([]time.Duration{time.Duration(after) * time.Millisecond}, n)...)
		}
		caughtUp = max(caughtUp, lag.Last.Sub(last))
	}
	return lags, caughtUp, last.Sub(began), c.await(ctx, patience)
}

// measureMillion imports revocations, and starts a follower.
func measureMillion(ctx context.Context, o options) ([]row, error) {
	c, err := newCluster(ctx, o, 1)
	if err != nil {
		return nil, err
	}
	defer c.close()
	began := time.Now()
	for range o.million / 10_000 { // a call each: one must not outlive the server's time-outs
		stream, err := c.hubs[0].client.ImportRevocations(ctx)
		if err != nil {
			return nil, err
		}
		for range 10 {
			request := new(revocationv1.ImportRevocationsRequest)
			for _, name := range c.names(1000) {
				request.Revocations = append(request.Revocations, newRevocation(c.issuer.URL(), name))
			}
			if err := stream.Send(request); err != nil {
				return nil, err
			}
		}
		if _, err := stream.CloseAndReceive(); err != nil {
			return nil, err
		}
	}
	progress("%d revocations were imported in %s", o.million, time.Since(began).Round(time.Second))
	was := c.usage()
	took, err := c.follow(ctx, 1, c.directly()...)
	if err != nil {
		return nil, err
	}
	now := c.usage()
	return []row{{
		fmt.Sprintf("%d revocations: a follower's first catch-up", o.million), "≤ 10 s", took.Round(10 * time.Millisecond).String(),
		fmt.Sprintf("from feed.Follow until it is ready; the hub used %s of processor time for it, and has %d MiB", (now.cpu - was.cpu).Round(10*time.Millisecond), now.rss>>20),
	}}, nil
}

// measureIdle has all followers follow one hub.
func measureIdle(ctx context.Context, o options) ([]row, error) {
	c, err := newCluster(ctx, o, 1)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if !pause(ctx, o.idle/2) {
		return nil, context.Cause(ctx)
	}
	without := c.usage()
	if _, err := c.follow(ctx, o.followers, c.directly()...); err != nil {
		return nil, err
	}
	if !pause(ctx, o.idle) {
		return nil, context.Cause(ctx)
	}
	began, before := time.Now(), c.usage()
	if !pause(ctx, o.idle) {
		return nil, context.Cause(ctx)
	}
	after := c.usage()
	percent := 100 * (after.cpu - before.cpu).Seconds() / time.Since(began).Seconds()
	return []row{
		{
			"the hub's memory for each follower", "≤ 64 KiB", fmt.Sprintf("%d KiB", (after.rss-without.rss)/o.followers>>10),
			fmt.Sprintf("resident memory of one hub with %d followers, less that without; a connection each", o.followers),
		},
		{
			fmt.Sprintf("the hub's processor time with %d idle followers", o.followers), "≤ 5 % of a core", fmt.Sprintf("%.1f %%", percent),
			fmt.Sprintf("the same hub, for %s; each has a heartbeat every second", o.idle),
		},
	}, nil
}

// A usage is what a process uses.
type usage struct {
	cpu time.Duration
	rss int // bytes
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// usage returns what the first hub uses.
func (c *cluster) usage() (u usage) {
	dir := fmt.Sprint("/proc/", c.hubs[0].PID())
	stat, _ := os.ReadFile(dir + "/stat")
	_, after, _ := strings.Cut(string(stat), ") ") // the name is before
	if fields := strings.Fields(after); len(fields) > 12 {
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		u.cpu = time.Duration(user+system) * 10 * time.Millisecond
	}
	status, _ := os.ReadFile(dir + "/status")
	if line := residentLine.FindSubmatch(status); line != nil {
		u.rss, _ = strconv.Atoi(string(line[1]))
		u.rss <<= 10
	}
	return u
}

var warmCall = regexp.MustCompile(`(?m)^BenchmarkWarmCall/(list|follower)\S*\s+\d+\s+([\d.]+) ns/op`)

// measureCall runs the benchmark of the package of the followers.
func measureCall(ctx context.Context, o options) ([]row, error) {
	arguments := []string{"test", "-run", "^$", "-bench", "^BenchmarkWarmCall$", "-count", "11", "./interceptors/feed"}
	if o.rounds < 10 {
		arguments = append(arguments, "-count", "1", "-benchtime", "10x")
	}
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = ".."
	output, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	found := make(map[string][]float64)
	for _, line := range warmCall.FindAllStringSubmatch(string(output), -1) {
		took, _ := strconv.ParseFloat(line[2], 64)
		found[line[1]] = append(found[line[1]], took)
	}
	list, follower := found["list"], found["follower"]
	if len(list) == 0 || len(list) != len(follower) {
		return nil, fmt.Errorf("no figures in\n%s", output)
	}
	slices.Sort(list)
	slices.Sort(follower)
	a, b := follower[len(follower)/2], list[len(list)/2]
	return []row{{
		"warm call of a following service ÷ of one that does not follow", "≤ 1.01", fmt.Sprintf("%.3f (%.0f ns ÷ %.0f ns)", a/b, a, b),
		fmt.Sprintf("BenchmarkWarmCall, medians of %d runs", len(list)),
	}}, nil
}

// percentile returns the smallest of which so many percent are not larger.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*percent+99)/100-1]
}

func ms(d time.Duration) string { return fmt.Sprint(d.Milliseconds(), " ms") }
