// Package certificate keeps the TLS certificate of a server as it is in its files, so that it is
// renewed without a restart.
//
//	pair, err := certificate.Open("tls.crt", "tls.key", time.Now, logger)
//	defer pair.Close()
//	listener := tls.NewListener(plain, pair.TLSConfig())
package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/internal/renewal"
)

// interval is how often the files are read.
const interval = 5 * time.Second

// A Pair is a certificate and its key as they are in the files now. A nil one is none: of a server
// without TLS. It is safe for concurrent use.
type Pair struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	fault string // why the files cannot be used, as it was logged last; "" for none

	stop context.CancelFunc
	done chan struct{}
}

// Load reads a pair, whose certificate must count now.
func Load(cert, key string, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err != nil:
		return nil, err
	case now.After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("the certificate expired on %s; renew it", pair.Leaf.NotAfter.Format(time.RFC3339))
	case now.Before(pair.Leaf.NotBefore):
		return nil, fmt.Errorf("the certificate counts only from %s; is the clock right?", pair.Leaf.NotBefore.Format(time.RFC3339))
	}
	return &pair, nil
}

// Open reads the pair, and goes on reading it until it is closed.
func Open(cert, key string, now func() time.Time, log *slog.Logger) (*Pair, error) {
	pair, err := Load(cert, key, now())
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	opened := &Pair{cert: cert, key: key, now: now, log: log, stop: stop, done: make(chan struct{})}
	opened.current.Store(pair)
	go opened.watch(ctx)
	return opened, nil
}

// watch reads the files again and again. It compares what is in them: a certificate may be
// renewed in any way, such as by a link to another directory.
func (p *Pair) watch(ctx context.Context) {
	defer close(p.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// Reload uses the pair in the files for new connections, and goes on with the one in use if
// that cannot be used.
func (p *Pair) Reload() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	read, err := Load(p.cert, p.key, p.now())
	if err != nil {
		if p.fault != err.Error() {
			p.fault = err.Error()
			p.log.Warn("the TLS certificate cannot be renewed; the one in use is kept", "error", err, "expires", p.Expires())
		}
		return
	}
	p.fault = ""
	if !slices.EqualFunc(read.Certificate, p.current.Load().Certificate, bytes.Equal) {
		p.current.Store(read)
		p.log.Info("the TLS certificate was renewed", "expires", p.Expires())
	}
}

// Expires returns when the certificate in use expires; the zero time without TLS.
func (p *Pair) Expires() time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.current.Load().Leaf.NotAfter
}

// RenewalDue returns from when on it is alarming that the certificate in use was not renewed; the zero time
// without TLS.
func (p *Pair) RenewalDue() time.Time {
	if p == nil {
		return time.Time{}
	}
	return renewal.Due(p.current.Load().Leaf)
}

// Fault returns why the pair in the files cannot be used, so that another one is still in use; ""
// where it can.
func (p *Pair) Fault() string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// TLSConfig returns a configuration for one listener, since a server changes its own; nil
// without TLS.
func (p *Pair) TLSConfig() *tls.Config {
	if p == nil {
		return nil
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil },
		MinVersion:     tls.VersionTLS12,
	}
}

// Close stops reading.
func (p *Pair) Close() {
	if p != nil {
		p.stop()
		<-p.done
	}
}
