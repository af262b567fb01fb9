package authclient

import (
	"context"
	"math/rand/v2"
	"time"
)

// alive is the age from which a stream counts as opened, and not as refused: even a
// distant server refuses sooner.
const alive = 2 * time.Second

// Retry keeps a client's streams open. Advice is required, the rest has
// defaults. A Retry holds no state and is safe for concurrent use.
type Retry struct {
	// Advice says what to do about an error of the transport, and the delay that the
	// server has asked for, or 0: connectauth.RetryAdvice or grpcauth.RetryAdvice.
	Advice func(error) (advice Advice, retryAfter time.Duration)
	// MinDelay is how long to wait after a first failure. Each further one
	// doubles it. 0 is 250 ms.
	MinDelay time.Duration
	// MaxDelay is the longest to wait, also where the server has asked for more. 0 is
	// 30 s.
	MaxDelay time.Duration
}

// Stream opens a stream, and opens it again when it has ended and another try
// can help. Where the token had expired it does so at once, with a fresh one;
// where that was just tried, and in any other case, after a delay that grows with
// each failure, and that is longer by what the server has asked for. What open returns is
// how the stream ended:
//
//	err := authclient.Retry{Advice: connectauth.RetryAdvice}.Stream(ctx, func(ctx context.Context) error {
//		stream, err := client.WatchInvoices(ctx, request)
//		if err != nil {
//			return err
//		}
//		defer stream.Close()
//		for stream.Receive() {
//			show(stream.Msg())
//		}
//		return stream.Err()
//	})
//
// It returns nil when the stream ended without an error, the error that no
// further try can change, or the cause when ctx ended. See [FreshTokenWanted]
// for what a TokenSource has to do with it.
func (r Retry) Stream(ctx context.Context, open func(context.Context) error) error {
	wait := r.backoff()
	fresh, hurried := false, false
	for {
		attempt := ctx
		if fresh {
			attempt = WantFreshToken(ctx)
		}
		began := time.Now()
		err := open(attempt)
		lived := time.Since(began)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case lived >= wait.longest:
			wait.reset()
		}
		advice, retryAfter := r.Advice(err)
		if advice == GiveUp {
			return err
		}
		fresh = advice == RetryWithFreshToken
		if lived >= alive {
			hurried = false // it has lived on its token, and not failed for want of one
		}
		if fresh && !hurried && retryAfter <= 0 {
			hurried = true
			continue
		}
		if err := wait.sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// KeepAlive keeps the open streams of a session alive on the server, until ctx
// ends. It calls renew ahead of each expiry, with a context that asks for a
// fresh token: any cheap call will do, to the server that holds the streams.
// What renew returns is when the token expires that it sent:
//
//	err := authclient.Retry{Advice: connectauth.RetryAdvice}.KeepAlive(ctx, func(ctx context.Context) (time.Time, error) {
//		me, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
//		return me.GetIdentity().GetExpireTime().AsTime(), err
//	})
//
// After an error, and after a time that is zero, past or too near, it calls
// renew again with a delay that grows up to MaxDelay, and that is longer by what the
// server has asked for.
//
// It returns the error that no further try can change, or the cause when ctx
// ended; the streams then end by themselves.
func (r Retry) KeepAlive(ctx context.Context, renew func(context.Context) (expires time.Time, err error)) error {
	wait := r.backoff()
	for {
		expires, err := renew(WantFreshToken(ctx))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var retryAfter time.Duration
		if err != nil {
			var advice Advice
			if advice, retryAfter = r.Advice(err); advice == GiveUp {
				return err
			}
		}
		if next := ahead(time.Until(expires)); err == nil && next >= wait.shortest {
			wait.reset()
			err = sleep(ctx, next)
		} else { // it failed, or the token has hardly any time left
			err = wait.sleep(ctx, retryAfter)
		}
		if err != nil {
			return err
		}
	}
}

// ahead is when to fetch the next token while one has some time left: with a
// third of it still to go, or a minute.
func ahead(left time.Duration) time.Duration { return left - min(left/3, time.Minute) }

func (r Retry) backoff() *backoff {
	b := &backoff{shortest: r.MinDelay, longest: r.MaxDelay}
	if b.shortest <= 0 {
		b.shortest = 250 * time.Millisecond
	}
	if b.longest <= 0 {
		b.longest = 30 * time.Second
	}
	b.reset()
	return b
}

type backoff struct{ shortest, longest, next time.Duration }

func (b *backoff) reset() { b.next = min(b.shortest, b.longest) }

// delay returns up to the next delay, and at least half of it, so that clients which
// lost one server do not all come back together.
func (b *backoff) delay() time.Duration {
	delay := b.next - rand.N(b.next/2+1) //nolint:gosec // it spreads load and keeps no secret
	b.next = min(2*b.next, b.longest)
	return delay
}

// sleep waits for the next delay after what the server has asked for.
func (b *backoff) sleep(ctx context.Context, retryAfter time.Duration) error {
	retryAfter = min(max(retryAfter, 0), b.longest)
	return sleep(ctx, min(retryAfter+b.delay(), b.longest))
}

// sleep returns the cause when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
