package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/bench/served"
)

// TestMain is the child too: the servers are this program, started once more.
func TestMain(m *testing.M) {
	if served.IsChild(os.Args[1:]) {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := parseSettings([]string{"-quick", "-rounds", "7", "-run", "cold|warm", "-out", "x.md"}, io.Discard)
	if err != nil || !s.quick || s.effort.rounds != 7 || s.out != "x.md" ||
		!s.run.MatchString("warm") || s.run.MatchString("calls") {
		t.Errorf("parseSettings = %+v, %v", s, err)
	}
	for _, arguments := range [][]string{{"-run", "("}, {"-rounds", "-1"}, {"cold"}} {
		if _, err := parseSettings(arguments, io.Discard); err == nil {
			t.Errorf("%q accepted", arguments)
		}
	}
	if _, err := parseSettings([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v, want %v", err, flag.ErrHelp)
	}
}

// What is measured here says nothing; that everything can be measured does.
func TestEverySectionRuns(t *testing.T) {
	t.Parallel()
	little := effort{rounds: 1, turn: 100 * time.Microsecond, laps: 1, calls: 20, tokens: 5, messages: 10, entries: 100, leases: 100, watchers: 200}
	for _, section := range sections() {
		t.Run(section.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
			defer cancel()
			tables, err := section.measure(ctx, little)
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range tables {
				for _, line := range table.Lines {
					if line.Value.Median <= 0 && table.Unit != "bytes" && table.Unit != "goroutines" { // too few to weigh
						t.Errorf("%s, %s: %v %s", table.Title, line.Name, line.Value.Median, table.Unit)
					}
				}
			}
		})
	}
}
