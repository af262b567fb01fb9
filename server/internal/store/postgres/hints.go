package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// channel is where every transaction that revokes notifies.
	channel = "ostiary_revocations"
	notify  = `SELECT pg_notify($1, '')`

	// selfTestTimeout is how long a notification to oneself may take.
	selfTestTimeout = 2 * time.Second
	// pingInterval is how long a silent connection is trusted, and pingTimeout how long it
	// may take to answer then.
	pingInterval = 10 * time.Second
	pingTimeout  = 5 * time.Second
	// The delays before the next attempt: the first, and the longest, which comes at once
	// where notifications do not arrive at all.
	minRelisten = 250 * time.Millisecond
	maxRelisten = time.Minute
)

// errSilent means that LISTEN is accepted, and nothing arrives.
var errSilent = errors.New("a notification to oneself does not arrive, as behind a pooler in transaction mode")

// A listener listens, on a connection of its own, for what others revoke.
type listener struct {
	config *pgx.ConnConfig
	pool   *pgxpool.Pool
	log    *slog.Logger
	hints  chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
}

// listen starts a listener.
func listen(ctx context.Context, config *pgx.ConnConfig, pool *pgxpool.Pool, log *slog.Logger) *listener {
	l := &listener{config: config, pool: pool, log: log, hints: make(chan struct{}, 1), done: make(chan struct{})}
	ctx, l.stop = context.WithCancel(ctx)
	go l.run(ctx)
	return l
}

func (l *listener) close() {
	l.stop()
	<-l.done
}

func (l *listener) run(ctx context.Context) {
	defer close(l.done)
	level := slog.LevelWarn // the same again is for those who look for it
	for delay := minRelisten; ; delay = min(2*delay, maxRelisten) {
		err := l.listen(ctx, func() {
			delay, level = minRelisten, slog.LevelWarn
			l.log.InfoContext(ctx, "the database announces what others revoke")
		})
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errSilent) {
			delay = maxRelisten
		}
		l.log.Log(ctx, level, "the database does not announce what others revoke; it is looked for twice a second", "error", err)
		level = slog.LevelDebug
		if pause(ctx, delay) != nil {
			return
		}
	}
}

// listen listens until the connection is lost. It calls listening when notifications
// arrive.
func (l *listener) listen(ctx context.Context, listening func()) error {
	conn, err := pgx.ConnectConfig(ctx, l.config.Copy())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	if err := l.test(ctx, conn); err != nil {
		return err
	}
	listening()
	for {
		l.hint() // also for what was missed before
		for {
			err := wait(ctx, conn, pingInterval)
			if err == nil {
				break
			}
			if ctx.Err() != nil || conn.IsClosed() {
				return err
			}
			if err := ping(ctx, conn); err != nil {
				return fmt.Errorf("the connection is dead: %w", err)
			}
		}
	}
}

// test notifies itself. From another connection: on the same one it could arrive although
// no other would.
func (l *listener) test(ctx context.Context, conn *pgx.Conn) error {
	within, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	if _, err := l.pool.Exec(within, notify, channel); err != nil {
		return err
	}
	if err := wait(within, conn, selfTestTimeout); err != nil {
		if within.Err() != nil && !conn.IsClosed() {
			return errSilent
		}
		return err
	}
	return nil
}

func wait(ctx context.Context, conn *pgx.Conn, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := conn.WaitForNotification(ctx)
	return err
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

// hint puts a hint where none waits already.
func (l *listener) hint() {
	select {
	case l.hints <- struct{}{}:
	default:
	}
}
