package server

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
)

// certificateInterval is how often the files of the certificate are read.
const certificateInterval = 5 * time.Second

// A certificate is the pair of TLSCert and TLSKey as it is in the files now.
type certificate struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	fault string // why the files cannot be used, as it was logged last; "" for none

	stop context.CancelFunc
	done chan struct{}
}

// loadPair reads a pair that counts now.
func loadPair(cert, key string, now time.Time) (*tls.Certificate, error) {
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

// openCertificate reads the pair, and goes on reading it until it is closed.
func (c Config) openCertificate() (*certificate, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := loadPair(c.TLSCert, c.TLSKey, c.Now())
	if err != nil {
		return nil, fmt.Errorf("tls_cert and tls_key: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	opened := &certificate{cert: c.TLSCert, key: c.TLSKey, now: c.Now, log: c.Logger, stop: stop, done: make(chan struct{})}
	opened.current.Store(pair)
	go opened.watch(ctx)
	return opened, nil
}

// watch reads the files again and again. It compares what is in them: a certificate may be
// renewed in any way, such as by a link to another directory.
func (c *certificate) watch(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(certificateInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload uses the pair in the files for new connections, and goes on with the one in use if
// that cannot be used.
func (c *certificate) reload() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := loadPair(c.cert, c.key, c.now())
	if err != nil {
		if c.fault != err.Error() {
			c.fault = err.Error()
			c.log.Warn("the TLS certificate cannot be renewed; the one in use is kept", "error", err, "expires", c.expires())
		}
		return
	}
	c.fault = ""
	if !slices.EqualFunc(pair.Certificate, c.current.Load().Certificate, bytes.Equal) {
		c.current.Store(pair)
		c.log.Info("the TLS certificate was renewed", "expires", c.expires())
	}
}

// expires returns when the certificate in use expires; the zero time without TLS.
func (c *certificate) expires() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.current.Load().Leaf.NotAfter
}

// config returns that of a listener; nil without TLS.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
		MinVersion:     tls.VersionTLS12,
	}
}

func (c *certificate) close() {
	if c != nil {
		c.stop()
		<-c.done
	}
}
