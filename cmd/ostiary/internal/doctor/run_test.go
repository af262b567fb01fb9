package doctor

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// One check that panics, or never ends, hides none of the others, and those who wait are
// told for which.
func TestAFailingCheckHidesNoOther(t *testing.T) {
	t.Parallel()
	var told bytes.Buffer
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) })
	findings := runAll(t.Context(), []check{
		{"store", "a file system that hangs", func(context.Context) []Finding {
			<-hung
			return nil
		}},
		{"tls", "a mistake", func(context.Context) []Finding { panic("index out of range") }},
		{"disk", "space", func(context.Context) []Finding { return []Finding{ok("disk.space", "/", "enough")} }},
		{"cors", "origins", func(context.Context) []Finding { return []Finding{warning("cors.none", "", "what", "why", "remedy")} }},
	}, time.Second, &told)
	var ids []string
	for _, finding := range findings {
		ids = append(ids, finding.Group+" "+finding.ID)
	}
	if got, want := strings.Join(ids, ", "), "store doctor.check_timeout, tls doctor.check_failed, cors cors.none, disk disk.space"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if !strings.Contains(told.String(), "still looking at a file system that hangs\n") {
		t.Errorf("told: %q", told.String())
	}
}
