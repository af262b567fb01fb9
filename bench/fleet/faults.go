package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ostiary/ostiary/internal/pgserver"
)

// patience is how long recovery may take until the measure fails.
const patience = time.Minute

var errLost = errors.New("revocations that were acknowledged are lost")

// A fault is a part that dies or is cut off. It returns when its cause has gone.
type fault func(ctx context.Context, c *cluster, round int) (gone time.Time, err error)

func measureKilledHub(ctx context.Context, o options) ([]row, error) {
	return measureFault(ctx, o, "kill -9 of a replica, started again", "until it is ready too, counted from its start", nil,
		func(ctx context.Context, c *cluster, round int) (time.Time, error) {
			h := c.hubs[round%len(c.hubs)]
			if err := h.Kill(); err != nil {
				return time.Time{}, err
			}
			pause(ctx, within(time.Second))
			gone := time.Now()
			return gone, h.Start(ctx)
		})
}

func measureKilledPostgres(ctx context.Context, o options) ([]row, error) {
	return measureFault(ctx, o, "kill -9 of PostgreSQL, started again", "counted from when it accepts connections", nil,
		func(ctx context.Context, c *cluster, _ int) (time.Time, error) {
			if err := c.postgres.Kill(); err != nil {
				return time.Time{}, err
			}
			pause(ctx, within(time.Second))
			err := c.postgres.Start(ctx)
			return time.Now(), err
		})
}

func measureFailover(ctx context.Context, o options) ([]row, error) {
	var standby *pgserver.Server
	spare := 1 // which of each hub's proxies leads to the standby
	attach := func(ctx context.Context, c *cluster) (err error) {
		if standby, err = c.postgres.Standby(ctx, pgserver.Synchronous); err != nil {
			return err
		}
		for _, h := range c.hubs {
			h.databases[spare].to("unix", standby.Socket()+"/.s.PGSQL.5432")
		}
		return nil
	}
	return measureFault(ctx, o, "fail-over to a synchronous standby", "counted from when it was promoted", attach,
		func(ctx context.Context, c *cluster, _ int) (time.Time, error) {
			if err := c.postgres.Kill(); err != nil {
				return time.Time{}, err
			}
			pause(ctx, within(time.Second))
			if err := standby.Promote(ctx); err != nil {
				return time.Time{}, err
			}
			c.postgres, spare = standby, 1-spare
			return time.Now(), nil
		})
}

func measurePartition(ctx context.Context, o options) ([]row, error) {
	how := "between one hub and PostgreSQL and at the same time between another hub and its followers; nothing arrives, and no connection is closed; counted from its end"
	return measureFault(ctx, o, fmt.Sprintf("%s of partition", o.partition), how, nil, func(ctx context.Context, c *cluster, round int) (time.Time, error) {
		one, other := c.hubs[round%len(c.hubs)], c.hubs[(round+1)%len(c.hubs)]
		var resume []func()
		for _, p := range []*proxy{one.databases[0], one.databases[1], other.front} {
			resume = append(resume, p.stall())
		}
		pause(ctx, o.partition)
		for _, f := range resume {
			f()
		}
		return time.Now(), nil
	})
}

// measureFault lets a fault happen again and again under load.
func measureFault(ctx context.Context, o options, what, how string, before func(context.Context, *cluster) error, happen fault) ([]row, error) {
	c, err := newCluster(ctx, o, 3)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var fronts []string
	for _, h := range c.hubs {
		fronts = append(fronts, "http://"+h.front.address())
	}
	if _, err := c.follow(ctx, o.followers, fronts...); err != nil {
		return nil, err
	}
	var took []time.Duration
	for round := range o.faults {
		if before != nil {
			if err := before(ctx, c); err != nil {
				return nil, err
			}
		}
		recovered, err := c.round(ctx, round, happen)
		if err != nil {
			c.keepLogs()
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		took = append(took, recovered)
		progress("%s: round %d recovered after %s, %d acknowledged", what, round+1, ms(recovered), len(c.acked))
	}
	if err := c.beginners(ctx); err != nil {
		c.keepLogs()
		return nil, err
	}
	return []row{{
		fmt.Sprintf("%s, %d times", what, o.faults), "0 lost; recovered ≤ 5 s after",
		fmt.Sprintf("0 of %d lost; recovered after %s at the median, %s at most", len(c.acked), ms(percentile(took, 50)), ms(slices.Max(took))),
		how + fmt.Sprintf("; recovered: every hub revokes, and every one of %d followers has all that was acknowledged", o.followers),
	}}, nil
}

// round lets a fault happen at a random moment under load, and returns how long it took
// until all was well again.
func (c *cluster) round(ctx context.Context, round int, happen fault) (time.Duration, error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var load sync.WaitGroup
	for _, h := range c.hubs { // one that hangs must not keep the others from it
		load.Go(func() {
			for pause(loading, within(100*time.Millisecond)) {
				_ = c.tryRevoke(loading, h) // what fails was not acknowledged
			}
		})
	}
	pause(ctx, time.Second+within(time.Second))
	gone, err := happen(ctx, c, round)
	if err != nil {
		return 0, err
	}
	var every errgroup.Group
	for _, h := range c.hubs {
		every.Go(func() error { return c.revokes(ctx, h) })
	}
	if err := every.Wait(); err != nil {
		return 0, err
	}
	if err := c.await(ctx, patience); err != nil {
		return 0, err
	}
	recovered := time.Since(gone)
	stop()
	load.Wait()
	return recovered, c.await(ctx, patience)
}

// within returns a random time up to this.
func within(d time.Duration) time.Duration {
	return rand.N(d) //nolint:gosec // it keeps no secret
}

// tryRevoke revokes one session.
func (c *cluster) tryRevoke(ctx context.Context, h *hub) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.revoke(ctx, h, c.names(1)...)
}

// revokes returns when the hub revokes.
func (c *cluster) revokes(ctx context.Context, h *hub) error {
	deadline := time.Now().Add(patience)
	for {
		err := c.tryRevoke(ctx, h)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not revoke: %w", h.URL(), err)
		}
		if !pause(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// beginners has new followers of each hub read everything, and checks that they got it.
func (c *cluster) beginners(ctx context.Context) error {
	for _, h := range c.hubs {
		fresh := &cluster{issuer: c.issuer, secret: c.secret, acked: c.acked}
		_, err := fresh.follow(ctx, 1, h.URL())
		if err == nil { // its copy may be as of half a second ago
			err = fresh.await(ctx, 5*time.Second)
		}
		for _, w := range fresh.workers {
			_ = w.Close()
		}
		if err != nil {
			return fmt.Errorf("a new follower of %s: %w", h.URL(), err)
		}
	}
	return nil
}

// measureBehind fails over to a standby that lacks revocations.
func measureBehind(ctx context.Context, o options) ([]row, error) {
	return withFleet(ctx, o, func(ctx context.Context, c *cluster) ([]row, error) {
		standby, err := c.postgres.Standby(ctx, pgserver.Asynchronous)
		if err != nil {
			return nil, err
		}
		for _, h := range c.hubs {
			h.databases[1].to("unix", standby.Socket()+"/.s.PGSQL.5432")
			if err := c.revokes(ctx, h); err != nil {
				return nil, err
			}
		}
		if err := standby.Detach(ctx); err != nil {
			return nil, err
		}
		const behind = 100
		if err := c.revoke(ctx, c.hubs[0], c.names(behind)...); err != nil {
			return nil, err
		}
		if err := c.await(ctx, patience); err != nil {
			return nil, err
		}
		if err := c.postgres.Kill(); err != nil {
			return nil, err
		}
		if err := standby.Promote(ctx); err != nil {
			return nil, err
		}
		gone := time.Now()
		c.postgres = standby
		var every errgroup.Group
		for _, h := range c.hubs {
			every.Go(func() error { return c.revokes(ctx, h) })
		}
		if err := every.Wait(); err != nil {
			return nil, err
		}
		if err := c.await(ctx, patience); err != nil {
			return nil, err
		}
		recovered := time.Since(gone)
		again := "a new follower gets them"
		err = c.beginners(ctx)
		for errors.Is(err, errLost) && time.Since(gone) < patience { // the hubs give them back
			err = c.beginners(ctx)
		}
		if errors.Is(err, errLost) {
			again = "a new follower does not get them"
		} else if err != nil {
			return nil, err
		}
		const says = "the database lacks what was read from it"
		said := 0
		for _, h := range c.hubs {
			said += strings.Count(h.Log(), says)
		}
		for line := range strings.Lines(c.hubs[0].Log()) {
			progress("a hub says: %s", strings.TrimSpace(line))
		}
		return []row{{
			"fail-over to an asynchronous standby that is behind", "followers lose nothing; the primary gets it back, or says what it lacks",
			fmt.Sprintf("all %d followers keep the %d that it lacked, and %s; %d of %d hubs log %q; recovered after %s", o.followers, behind, again, said, len(c.hubs), says, ms(recovered)),
			"as above",
		}}, nil
	})
}
