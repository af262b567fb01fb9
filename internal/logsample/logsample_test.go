package logsample

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sampler logs into a buffer, without the time.
func sampler(level slog.Level) (*Sampler, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return &Sampler{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}, log
}

func admitted(t *testing.T, s *Sampler, level slog.Level, kind string, times int) (n int) {
	t.Helper()
	for i := range times {
		if s.Admit(t.Context(), level, kind, fmt.Sprintf("192.0.2.%d:%d", i%3, i)) {
			n++
		}
	}
	return n
}

func TestTheFirstLinesOfAKindAreLoggedAndTheOthersCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := sampler(slog.LevelInfo)
		if n := admitted(t, s, slog.LevelInfo, "TOKEN_MISSING", 1000); n != limit {
			t.Errorf("%d lines; want %d", n, limit)
		}
		if n := admitted(t, s, slog.LevelInfo, "KEY_UNKNOWN", limit); n != limit {
			t.Errorf("%d lines of another kind; want %d", n, limit)
		}
		<-time.After(interval)
		synctest.Wait()
		const counts = "level=INFO msg=\"lines about unknown callers were left out\" omitted.TOKEN_MISSING=990 peers=3\n"
		if log.String() != counts {
			t.Errorf("logged %swant %s", log, counts)
		}
		log.Reset()
		if n := admitted(t, s, slog.LevelInfo, "TOKEN_MISSING", limit); n != limit {
			t.Errorf("%d lines later; want %d", n, limit)
		}
		<-time.After(interval)
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("logged %s though nothing was left out", log)
		}
	})
}

func TestTheCountsHaveTheHighestLevelOfTheirLines(t *testing.T) {
	t.Parallel()
	s, log := sampler(slog.LevelWarn)
	if n := admitted(t, s, slog.LevelInfo, "TOKEN_MISSING", 20); n != 0 {
		t.Errorf("%d lines below the level; want none", n)
	}
	admitted(t, s, slog.LevelWarn, "KEYS_UNAVAILABLE", 20)
	s.Flush()
	if got := log.String(); !strings.HasPrefix(got, "level=WARN") || !strings.Contains(got, "omitted.KEYS_UNAVAILABLE=10") || strings.Contains(got, "TOKEN_MISSING") {
		t.Errorf("logged %s", got)
	}
}

func TestPeersAreCountedUpToABound(t *testing.T) {
	t.Parallel()
	s, log := sampler(slog.LevelInfo)
	for i := range limit + 2*maxPeers {
		s.Admit(t.Context(), slog.LevelInfo, "TOKEN_MISSING", fmt.Sprintf("[2001:db8::%x]:443", i))
	}
	s.Flush()
	if !strings.Contains(log.String(), fmt.Sprintf("peers=%d\n", maxPeers)) {
		t.Errorf("logged %s", log)
	}
}

func TestLinesOfAHandlerAreOfOneKind(t *testing.T) {
	t.Parallel()
	s, log := sampler(slog.LevelInfo)
	others := slog.NewLogLogger(s.Handler("connection").WithGroup("tls").WithAttrs([]slog.Attr{slog.Int("port", 443)}), slog.LevelWarn)
	for i := range 100 {
		others.Printf("handshake %d", i)
	}
	s.Flush()
	if got := log.String(); !strings.HasPrefix(got, "level=WARN msg=\"handshake 0\" tls.port=443\n") || strings.Count(got, "\n") != limit+1 || !strings.Contains(got, "omitted.connection=90 peers=0") {
		t.Errorf("logged %s", got)
	}
}

func TestThePortIsNoPartOfAPeer(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "2001:db8::1": "2001:db8::1", "[2001:db8::1]": "[2001:db8::1]", "@": "@", "": "", "192.0.2.1": "192.0.2.1",
	} {
		if got := hostOf(peer); got != want {
			t.Errorf("%s: %q; want %q", peer, got, want)
		}
	}
}
