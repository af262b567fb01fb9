// Package doctor examines the settings of a server, and what is around it, from inside
// where it runs: it finds out why a server does not start, or refuses its callers, and
// says what to do.
//
//	findings := doctor.Examine(ctx, doctor.Config{Settings: loaded, Environ: os.Environ()})
//	err := doctor.WriteText(os.Stdout, findings, false)
//
// It changes nothing, takes no port and no lock, and may run beside the server. It prints
// no secret and no token.
package doctor

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
)

// A Level says how bad a finding is.
type Level string

// The levels, from the worst.
const (
	// Fault is what keeps the server from starting, or callers out that should come in.
	Fault Level = "fault"
	// Warning is what may be meant so, or will become a fault.
	Warning Level = "warning"
	// OK is what was looked at and is as it should be.
	OK Level = "ok"
)

// A Finding is one thing that was found. The names of its fields in JSON, and the IDs, stay
// as they are.
type Finding struct {
	// ID names the kind of finding, such as issuer.tls_unknown_ca.
	ID string `json:"id"`
	// Group is what was looked at: settings, console, issuers, token, server, cors, tls, store, disk,
	// signals, feed or backends.
	Group string `json:"group"`
	Level Level  `json:"level"`
	// Subject is which one it was: a setting, an issuer, an address or a file.
	Subject string `json:"subject,omitempty"`
	// What was found, Why it matters, and the Remedy. An OK needs neither of the last two.
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// DefaultTimeout is the Timeout of a Config.
const DefaultTimeout = 10 * time.Second

// Config says what to examine.
type Config struct {
	// Settings are those of the server, which may have faults. Required.
	Settings *settings.Loaded
	// Environ are the variables of this process, as of os.Environ.
	Environ []string
	// Token is one that the server should accept. Default: none is examined.
	Token string
	// Origins are those of web pages that should be able to call, besides those of the settings.
	Origins []string
	// Timeout bounds each check. Default: DefaultTimeout.
	Timeout time.Duration
	// Progress is told which checks take long. Default: nobody is.
	Progress io.Writer
}

// A check looks at one thing. It ends soon after its context does.
type check struct {
	group string
	about string // what it looks at, for those who wait
	run   func(context.Context) []Finding
}

// A patient is what the checks examine.
type patient struct {
	Config

	findServer func() running
}

// checks are all that there is to look at.
func (p *patient) checks() []check {
	checks := []check{
		{"settings", "the settings", p.settings},
		{"settings", "the environment", p.environment},
		{"settings", "Clerk's keys", p.clerkKeys},
		{"console", "signing in on the console", p.consoleClients},
		{"token", "the token", p.token},
		{"server", "the server's addresses", p.server},
		{"cors", "preflights", p.cors},
		{"tls", "the TLS certificate", p.certificate},
		{"store", "the store", p.store},
		{"disk", "disk space", p.disk},
		{"signals", "messages of issuers", p.signals},
		{"feed", "the feed", p.feed},
	}
	for i := range p.Settings.Server.Issuers {
		checks = append(checks, check{"issuers", p.Settings.Server.Issuers[i].URL, func(ctx context.Context) []Finding { return p.issuer(ctx, i) }})
	}
	for _, backend := range p.Settings.Server.Backends {
		checks = append(checks, check{"backends", "the backend " + backend.Name, func(ctx context.Context) []Finding { return p.backend(ctx, backend) }})
	}
	for _, hub := range p.Settings.Server.Follow.Hubs {
		checks = append(checks, check{"feed", "the hub " + hub, func(ctx context.Context) []Finding { return p.hub(ctx, hub) }})
	}
	return checks
}

// Examine runs all checks at the same time and returns what they find: faults first, then
// warnings. A check that fails, or does not end, hides none of the others.
func Examine(ctx context.Context, config Config) []Finding {
	if config.Timeout <= 0 {
		config.Timeout = DefaultTimeout
	}
	p := &patient{Config: config}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.findServer = sync.OnceValue(func() running {
		limited, done := context.WithTimeout(ctx, config.Timeout)
		defer done()
		return p.lookForServer(limited)
	})
	return runAll(ctx, p.checks(), config.Timeout, config.Progress)
}

// grace is how much longer than its time-out a check is waited for.
const grace = 2 * time.Second

func runAll(ctx context.Context, checks []check, timeout time.Duration, progress io.Writer) []Finding {
	results := make([][]Finding, len(checks))
	waiting := newWaiting(progress)
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() {
			done := waiting.add(check.about)
			defer done()
			results[i] = check.findings(ctx, timeout)
		})
	}
	running.Wait()
	waiting.stop()
	findings := slices.Concat(results...)
	rank := map[Level]int{Fault: 0, Warning: 1, OK: 2}
	slices.SortStableFunc(findings, func(a, b Finding) int { return rank[a.Level] - rank[b.Level] })
	return findings
}

// findings runs the check, and finds out whether it ends in time. A goroutine that hangs, as
// on a network file system that is gone, ends with the program.
func (c check) findings(ctx context.Context, timeout time.Duration) []Finding {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := make(chan []Finding, 1)
	go func() {
		defer func() {
			if fault := recover(); fault != nil {
				result <- []Finding{{
					ID: "doctor.check_failed", Group: c.group, Level: Fault, Subject: c.about, What: fmt.Sprintf("the check failed: %v", fault),
					Why: "nothing is known of this part", Remedy: "report it as a bug of ostiary doctor",
				}}
			}
		}()
		result <- c.run(limited)
	}()
	late := time.NewTimer(timeout + grace)
	defer late.Stop()
	select {
	case found := <-result:
		for i := range found {
			found[i].Group = c.group
		}
		return found
	case <-late.C:
		return []Finding{{
			ID: "doctor.check_timeout", Group: c.group, Level: Fault, Subject: c.about, What: fmt.Sprintf("the check has not ended after %v", timeout+grace),
			Why: "nothing is known of this part; mostly a disk or a network file system hangs", Remedy: "look at the file systems of the settings, or raise --timeout",
		}}
	}
}

// progressInterval is how often those who wait are told for what.
const progressInterval = 2 * time.Second

// waiting tells which checks still run.
type waiting struct {
	mu    sync.Mutex
	names map[string]int
	end   chan struct{}
	ended sync.WaitGroup
}

func newWaiting(to io.Writer) *waiting {
	w := &waiting{names: make(map[string]int), end: make(chan struct{})}
	if to == nil {
		return w
	}
	w.ended.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintln(to, "ostiary: still looking at", terminal.Printable(w.String()))
			case <-w.end:
				return
			}
		}
	})
	return w
}

func (w *waiting) add(name string) (done func()) {
	w.change(name, 1)
	return func() { w.change(name, -1) }
}

func (w *waiting) change(name string, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.names[name] += by; w.names[name] == 0 {
		delete(w.names, name)
	}
}

func (w *waiting) stop() {
	close(w.end)
	w.ended.Wait()
}

// String names the checks that still run.
func (w *waiting) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(w.names)), ", ")
}

func ok(id, subject, what string) Finding {
	return Finding{ID: id, Level: OK, Subject: subject, What: what}
}

func fault(id, subject, what, why, remedy string) Finding {
	return Finding{ID: id, Level: Fault, Subject: subject, What: what, Why: why, Remedy: remedy}
}

func warning(id, subject, what, why, remedy string) Finding {
	return Finding{ID: id, Level: Warning, Subject: subject, What: what, Why: why, Remedy: remedy}
}

// Faults returns how many findings are faults, and how many are warnings.
func Faults(findings []Finding) (faults, warnings int) {
	for _, finding := range findings {
		switch finding.Level {
		case Fault:
			faults++
		case Warning:
			warnings++
		case OK:
		}
	}
	return faults, warnings
}
