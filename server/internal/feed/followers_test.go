package feed

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

func TestOfManyFollowersThatComeAtOnceAFewAreLogged(t *testing.T) {
	t.Parallel()
	log := new(bytes.Buffer)
	followers := followerLog{log: slog.New(slog.NewTextHandler(log, nil))}
	now := time.Now().Truncate(time.Second)
	for range 25 {
		followers.write(t.Context(), now, "connected", &feedv1.Follower{Service: "billing", InstanceId: "billing-0"})
	}
	followers.write(t.Context(), now.Add(time.Second), "disconnected", &feedv1.Follower{Service: "billing", InstanceId: "billing-0"})
	got := log.String()
	if n := strings.Count(got, "state=connected"); n != 10 || !strings.Contains(got, "state=disconnected service=billing instance_id=billing-0 left_out=15") {
		t.Errorf("%d lines of 25, and then %s; want 10, and 15 that were left out", n, got)
	}
}
