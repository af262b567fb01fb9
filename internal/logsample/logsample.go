// Package logsample bounds how fast strangers can make a log grow. Of each kind of line
// that they cause, the first ten within ten seconds are logged; the others are counted, and
// one line at the end of the ten seconds has the counts.
//
//	if sampler.Admit(ctx, slog.LevelInfo, "TOKEN_MISSING", peer) {
//		sampler.Logger.InfoContext(ctx, "call refused", …)
//	}
package logsample

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	limit    = 10 // lines of one kind within the interval
	interval = 10 * time.Second
	maxPeers = 1000
)

// A Sampler decides which lines are logged. It is safe for concurrent use, and must not be
// copied once in use.
type Sampler struct {
	// Logger gets the counts of lines that were left out. Required.
	Logger *slog.Logger

	mu      sync.Mutex
	started bool // the interval
	level   slog.Level
	lines   map[string]int      // of the interval, by kind
	peers   map[string]struct{} // of lines that were left out
}

// Admit reports whether to log a line: false also where the Logger omits its level. There
// must be few kinds, and callers must not be able to choose them. peer is an address, with
// or without a port, or empty.
func (s *Sampler) Admit(ctx context.Context, level slog.Level, kind, peer string) bool {
	if !s.Logger.Enabled(ctx, level) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started, s.lines, s.peers = true, make(map[string]int), make(map[string]struct{})
		s.level = level
		time.AfterFunc(interval, s.Flush)
	}
	s.lines[kind]++
	if s.lines[kind] <= limit {
		return true
	}
	s.level = max(s.level, level)
	if host := hostOf(peer); host != "" && len(s.peers) < maxPeers {
		s.peers[host] = struct{}{}
	}
	return false
}

// Flush logs the counts of what was left out, if anything was, before the interval is over.
func (s *Sampler) Flush() {
	s.mu.Lock()
	lines, peers, level := s.lines, len(s.peers), s.level
	s.started, s.lines, s.peers = false, nil, nil
	s.mu.Unlock()
	var omitted []any
	for _, kind := range slices.Sorted(maps.Keys(lines)) {
		if n := lines[kind] - limit; n > 0 {
			omitted = append(omitted, slog.Int(kind, n))
		}
	}
	if len(omitted) > 0 {
		s.Logger.LogAttrs(context.Background(), level, "lines about unknown callers were left out", slog.Group("omitted", omitted...), slog.Int("peers", peers))
	}
}

// Handler returns a handler of the Logger's whose lines are all of one kind, for packages
// that log by themselves.
func (s *Sampler) Handler(kind string) slog.Handler { return handler{s.Logger.Handler(), s, kind} }

type handler struct {
	slog.Handler

	sampler *Sampler
	kind    string
}

func (h handler) Handle(ctx context.Context, record slog.Record) error {
	if !h.sampler.Admit(ctx, record.Level, h.kind, "") {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// hostOf returns an address without its port, which differs with each connection.
func hostOf(peer string) string {
	if host, _, err := net.SplitHostPort(peer); err == nil {
		return host
	}
	return peer
}
