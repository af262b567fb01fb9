package ledger

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

const somePeer = "192.0.2.1:5000"

func someBrowser() string { return "Browser/1.0" }

func ids(sessions []store.Session) string {
	var all []string
	for _, s := range sessions {
		all = append(all, s.ID)
	}
	return strings.Join(all, " ")
}

func TestASessionIsWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id := &auth.Identity{Issuer: "https://clerk.example.com", Subject: "user_ada", SessionID: "sess_1", IssuedAt: start}
	renewed := *id
	renewed.IssuedAt, renewed.Organization.ID = start.Add(time.Minute), "org_acme"
	elsewhere := *id
	elsewhere.Organization.ID = "org_other"
	s := newActivity(10)
	var last store.Session
	for _, step := range []struct {
		what  string
		id    *auth.Identity
		after time.Duration
		want  bool
	}{
		{"its first call", id, 0, true},
		{"the same token a moment later", id, time.Second, false},
		{"a token that is as new, of another organization", &elsewhere, time.Second, true},
		{"the same token after a while", id, time.Second + seenInterval, true},
		{"a newer token", &renewed, 2*time.Second + seenInterval, true},
		{"the older token once more", id, 3*time.Second + seenInterval, false},
	} {
		now := start.Add(step.after)
		s.record(step.id, now, somePeer, someBrowser)
		s.record(step.id, now, somePeer, someBrowser) // at once
		unsaved, dropped := s.take(now)
		if (len(unsaved) == 1) != step.want || dropped != 0 {
			t.Errorf("%s: %d to be written, %d dropped", step.what, len(unsaved), dropped)
		}
		if len(unsaved) == 1 {
			last = unsaved[0]
		}
	}
	want := store.Session{
		Issuer: "https://clerk.example.com", ID: "sess_1", Subject: "user_ada", Organization: "org_acme",
		UserAgent: "Browser/1.0", Address: "192.0.2.1", Token: store.Token{IssuedAt: renewed.IssuedAt},
		FirstSeen: start, LastSeen: start.Add(2*time.Second + seenInterval),
	}
	if last != want {
		t.Errorf("%+v\nwant %+v", last, want)
	}
}

func TestTheOldestSessionIsReplacedWhenFull(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newActivity(3)
	note := func(id string) {
		s.record(&auth.Identity{Issuer: "https://clerk.example.com", SessionID: id}, now, somePeer, someBrowser)
	}
	for _, id := range []string{"a", "b", "c", "d", "e", "d"} {
		note(id)
	}
	unsaved, dropped := s.take(now)
	if got := ids(unsaved); got != "d e c" || dropped != 2 {
		t.Errorf("%s, %d dropped; want d e c, 2 dropped", got, dropped)
	}
	note("f") // in the place of c, which was written and so is no loss
	note("a")
	unsaved, dropped = s.take(now)
	if got := ids(unsaved); got != "f a" || dropped != 0 {
		t.Errorf("%s, %d dropped; want f a, none dropped", got, dropped)
	}
	if len(s.slots) != 3 || len(s.recent) != 3 {
		t.Errorf("%d of %d are remembered; want 3", len(s.slots), len(s.recent))
	}
}

func TestASessionInASlotInheritsNothing(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later := start.Add(time.Hour)
	old := &auth.Identity{
		Issuer: someIssuer, Subject: "user_ada", SessionID: "a", AuthorizedParty: "https://app.example.com",
		TokenID: "token_1", ClientID: "client_1", Actor: &auth.Actor{Subject: "user_support"},
		Organization: auth.Organization{ID: "org_acme"}, IssuedAt: later.Add(time.Hour), ExpiresAt: later.Add(2 * time.Hour),
	}
	for _, next := range []*auth.Identity{
		{Issuer: someIssuer, Subject: "user_ben", SessionID: "b", IssuedAt: start, ExpiresAt: later},
		{Issuer: someIssuer, Subject: "user_ben", SessionID: "a"}, // a token that does not say when
		{Issuer: someIssuer + "/", Subject: "user_ada", SessionID: "a"},
	} {
		for _, written := range []bool{false, true} {
			a := newActivity(1)
			a.record(old, start, somePeer, someBrowser)
			if written {
				a.take(start)
			}
			a.record(next, later, "", func() string { return "" })
			unsaved, _ := a.take(later)
			want := store.Session{
				Issuer: next.Issuer, ID: next.SessionID, Subject: next.Subject,
				FirstSeen: later, LastSeen: later, Token: store.Token{IssuedAt: next.IssuedAt, ExpiresAt: next.ExpiresAt},
			}
			if len(unsaved) != 1 || unsaved[0] != want {
				t.Errorf("%+v\nwant %+v", unsaved, want)
			}
		}
	}
}

func TestAUserAgentOfAnyBytesIsSafe(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"Browser/1.0 (ünïcödé)":         "Browser/1.0 (ünïcödé)",
		"a\x1b[31mred\r\nb\x00\u202ec":  "a[31mredbc",
		"bad \xff\xfe bytes":            "bad  bytes",
		strings.Repeat("x", 10_000):     strings.Repeat("x", maxUserAgent),
		strings.Repeat("x", 255) + "ü…": strings.Repeat("x", 255),
	} {
		if got := printable(said); got != want {
			t.Errorf("%q became %q; want %q", said, got, want)
		} else if unsafe.StringData(got) == unsafe.StringData(said) {
			t.Errorf("%.20q shares the memory of all %d bytes that were said", got, len(said))
		}
	}
	for address, want := range map[string]string{"192.0.2.1:5000": "192.0.2.1", "[::1]:5000": "::1", "": "", "@": "@"} {
		if got := host(address); got != want {
			t.Errorf("%q became %q; want %q", address, got, want)
		}
	}
}

func TestActivityIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := newActivity(8)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				s.record(&auth.Identity{Issuer: "https://clerk.example.com", SessionID: fmt.Sprint((w + i) % 16)}, time.Now(), somePeer, someBrowser)
				if i%100 == 0 {
					if unsaved, _ := s.take(time.Now()); len(unsaved) > 8 {
						t.Errorf("%d to be written of 8", len(unsaved))
					}
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkRecord is what every call pays.
func BenchmarkRecord(b *testing.B) {
	s := newActivity(maxRecent)
	all := make([]*auth.Identity, 10_000)
	now := time.Now()
	for i := range all {
		all[i] = &auth.Identity{Issuer: "https://clerk.example.com", SessionID: fmt.Sprint("sess_", i)}
		s.record(all[i], now, somePeer, someBrowser)
	}
	s.take(now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.record(all[i%len(all)], now, somePeer, someBrowser)
	}
}
