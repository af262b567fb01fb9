package decisions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

// What services report pushes nothing of the server's own out of a watcher that is slow, and
// takes no more memory than a queue has.
func TestServicesPushNothingOfTheServerOut(t *testing.T) {
	t.Parallel()
	l, _ := opened(t, None)
	w := l.Watch()
	defer w.Close()
	for range 100 {
		l.Observe(t.Context(), admittedCall())
	}
	const reported = 3 * maxEntries
	long := strings.Repeat("x", 4*maxText)
	for i := range reported {
		m := &decisionv1.Decision{
			DecisionTime: timestamppb.Now(), Outcome: decisionv1.DecisionOutcome_DECISION_OUTCOME_ADMITTED, Count: 2,
			Procedure: fmt.Sprint("/flood/", i, long), Subject: long, Cause: long,
		}
		if rejected := l.Report(&feedv1.Follower{Service: "billing", InstanceId: fmt.Sprint(i)}, []*decisionv1.Decision{m}, time.Now()); rejected != 0 {
			t.Fatal("it is rejected")
		}
	}
	if l.reported.bytes > maxBytes || len(l.reported.entries) == 0 || l.reported.bytes < len(l.reported.entries)*3*maxText {
		t.Errorf("%d entries are counted as %d bytes", len(l.reported.entries), l.reported.bytes)
	}
	own, others, missed := 0, 0, uint64(0)
	for {
		records, lost, _, _ := w.Next()
		if missed += lost; len(records) == 0 {
			break
		}
		for _, r := range records {
			if r.Service == "" {
				own++
			} else {
				others++
			}
		}
	}
	if own != 100 || others == 0 || uint64(others)+missed != reported {
		t.Errorf("got %d own and %d others, %d missed", own, others, missed)
	}
	if s := l.Status(); s.Reported != reported || s.Rejected != 0 {
		t.Errorf("status %+v", s)
	}
}
