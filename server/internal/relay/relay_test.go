package relay

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	scope = position.ScopeOf("/ostiary.feed.v1.FeedService/WatchChanges", nil)
	epoch = position.Epoch{1}
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// newRelay returns a relay whose hub cannot be reached: the test says what it sends.
func newRelay(t *testing.T) *Relay {
	t.Helper()
	r, err := Start(Config{
		Feed:  feed.Config{Hubs: []string{"http://127.0.0.1:1"}, TokenSource: authclient.StaticToken("s"), Service: "relay", Logger: slog.New(slog.DiscardHandler)},
		Scope: scope, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// placeOf returns the place of the change with a number, which was made so many seconds
// after the start.
func placeOf(n int) ledger.Place {
	if n == 0 {
		return ledger.Place{}
	}
	return ledger.Place{Sequence: int64(n), CreatedAt: start.Add(time.Duration(n) * time.Second).UnixMicro()}
}

// changeOf returns the change with a number, which expires as many hours after the start.
func changeOf(n int) *feedv1.Change {
	return &feedv1.Change{Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{
		RevocationId: fmt.Sprint(n), CreateTime: timestamppb.New(time.UnixMicro(placeOf(n).CreatedAt)), ExpireTime: timestamppb.New(start.Add(time.Duration(n) * time.Hour)),
	}}}
}

// messageOf returns a message with the changes of some numbers. Without any, it is a
// heartbeat at the position of the last, which says that the copy is complete.
func messageOf(last int, numbers ...int) *feedv1.WatchChangesResponse {
	message := &feedv1.WatchChangesResponse{ResumeToken: position.Encode(epoch, scope, placeOf(last)), HubTime: timestamppb.New(start)}
	for _, n := range numbers {
		message.Changes = append(message.Changes, changeOf(n))
	}
	if len(numbers) == 0 {
		message.CompleteThrough = new(durationpb.Duration)
	}
	return message
}

func (r *Relay) mustReceive(t *testing.T, messages ...*feedv1.WatchChangesResponse) {
	t.Helper()
	for i, message := range messages {
		if err := r.Receive(message, i == 0); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// read returns the changes after a place, and where they end.
func (r *Relay) read(t *testing.T, after ledger.Place) (text string, place ledger.Place) {
	t.Helper()
	page, _, err := r.Follow(epoch, after).Next(t.Context(), 1000, 1<<20)
	if err != nil {
		reason, _ := rpcerror.ReasonOf(err)
		return strings.TrimPrefix(reason.String(), "REASON_"), after
	}
	return ids(page.Changes), page.Place
}

func ids(changes []*feedv1.Change) string {
	var all []string
	for _, change := range changes {
		all = append(all, change.GetRevoked().GetRevocationId())
	}
	return strings.Join(all, " ")
}

func TestWhatFollowsAPosition(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.mustReceive(t, messageOf(3, 1, 2, 3), messageOf(5, 5), messageOf(6, 6), messageOf(6))
	for name, row := range map[string]struct {
		after ledger.Place
		want  string
	}{
		"the beginning":                          {placeOf(0), "1 2 3 5 6"},
		"between two messages":                   {placeOf(3), "5 6"},
		"within a message, which is sent whole":  {placeOf(2), "1 2 3 5 6"},
		"the last":                               {placeOf(6), ""},
		"not there any more, or never":           {placeOf(4), "POSITION_EXPIRED"},
		"within a message, of another history":   {ledger.Place{Sequence: 2, CreatedAt: 1}, "POSITION_EXPIRED"},
		"between two messages, of another":       {ledger.Place{Sequence: 3, CreatedAt: 1}, "POSITION_EPOCH_CHANGED"},
		"the last, of another":                   {ledger.Place{Sequence: 6, CreatedAt: 1}, "POSITION_EPOCH_CHANGED"},
		"later, which the hub may have by now":   {placeOf(7), ""},
		"before the first, which cannot be":      {ledger.Place{Sequence: -1, CreatedAt: 1}, "POSITION_EXPIRED"},
		"no number, but a time, which cannot be": {ledger.Place{CreatedAt: 1}, "POSITION_EXPIRED"},
	} {
		got, place := r.read(t, row.after)
		if got != row.want {
			t.Errorf("%s: %q; want %q", name, got, row.want)
		}
		if strings.HasSuffix(got, "6") && place != placeOf(6) {
			t.Errorf("%s: it ends at %v", name, place)
		}
	}
	page, wait, err := r.Follow(epoch, placeOf(7)).Next(t.Context(), 1000, 1<<20)
	if err != nil || page.Place != placeOf(7) {
		t.Errorf("ahead: %v, %v", page, err)
	}
	if err := r.Receive(messageOf(7, 7), false); err != nil {
		t.Fatal(err)
	}
	<-wait
}

// Pages end where messages do, and hold as many whole ones as fit.
func TestPagesHoldWholeMessages(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	r.mustReceive(t, messageOf(3, 1, 2, 3), messageOf(5, 4, 5), messageOf(6, 6), messageOf(6))
	for name, row := range map[string]struct {
		limit, size int
		want        []string
	}{
		"one at a time":     {1, 1 << 20, []string{"1 2 3", "4 5", "6"}},
		"three at a time":   {3, 1 << 20, []string{"1 2 3", "4 5 6"}},
		"five at a time":    {5, 1 << 20, []string{"1 2 3 4 5", "6"}},
		"a byte at a time":  {1000, 1, []string{"1 2 3", "4 5", "6"}},
		"all at once":       {1000, 1 << 20, []string{"1 2 3 4 5 6"}},
		"all, to the limit": {6, 1 << 20, []string{"1 2 3 4 5 6"}},
	} {
		var got []string
		for cursor := r.Follow(epoch, ledger.Place{}); cursor.place != placeOf(6); {
			page, _, err := cursor.Next(t.Context(), row.limit, row.size)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ids(page.Changes))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q; want %q", name, got, row.want)
		}
	}
}

// What is read anew is served once it is whole. Nothing that is served comes from before.
func TestWhatIsReadAgainIsServedOnceItIsWhole(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	if got, _ := r.read(t, ledger.Place{}); got != "STORE_UNAVAILABLE" {
		t.Errorf("at first: %q", got)
	}
	r.mustReceive(t, messageOf(1, 1), messageOf(2, 2))
	if got, _ := r.read(t, ledger.Place{}); got != "STORE_UNAVAILABLE" || r.Epoch() != (position.Epoch{}) {
		t.Errorf("before it is whole: %q", got)
	}
	r.mustReceive(t, messageOf(2, 1, 2), messageOf(2))
	other := position.Epoch{2}
	again := messageOf(1, 1)
	again.ResumeToken = position.Encode(other, scope, placeOf(1))
	r.mustReceive(t, again)
	if got, _ := r.read(t, ledger.Place{}); got != "1 2" {
		t.Errorf("while it is read again: %q", got)
	}
	whole := messageOf(1)
	whole.ResumeToken = again.GetResumeToken()
	if err := r.Receive(whole, false); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.read(t, ledger.Place{}); got != "POSITION_EPOCH_CHANGED" || r.Epoch() != other {
		t.Errorf("of the old epoch: %q", got)
	}
}

func TestMessagesThatCannotBe(t *testing.T) {
	t.Parallel()
	foreign := messageOf(3, 3)
	foreign.ResumeToken = position.Encode(position.Epoch{2}, scope, placeOf(3))
	for name, message := range map[string]*feedv1.WatchChangesResponse{
		"without a position":          {},
		"a position of another kind":  {ResumeToken: position.Encode(epoch, position.Scope{}, placeOf(3))},
		"a position that is none":     {ResumeToken: "x"},
		"of another database":         foreign,
		"a position before":           messageOf(1),
		"changes, and no position":    messageOf(2, 3),
		"the same number, other time": {ResumeToken: position.Encode(epoch, scope, ledger.Place{Sequence: 2, CreatedAt: 1})},
	} {
		r := newRelay(t)
		r.mustReceive(t, messageOf(2, 1, 2), messageOf(2))
		if err := r.Receive(message, false); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if got, _ := r.read(t, ledger.Place{}); got != "1 2" {
			t.Errorf("%s: afterwards %q", name, got)
		}
	}
}

// What has expired by both clocks goes, an hour later; and the position of a message that is
// empty by then at the next time. The last position stays.
func TestWhatHasExpiredIsRemoved(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	never := messageOf(8, 8)
	never.Changes[0].GetRevoked().ExpireTime = nil
	r.mustReceive(t, messageOf(1, 1), messageOf(3, 2, 3), never, messageOf(9, 9), messageOf(9))
	both := func(hours float64) { // after the start, by both clocks
		now := start.Add(time.Duration(hours * float64(time.Hour)))
		r.config.Now = func() time.Time { return now }
		message := messageOf(9)
		message.HubTime = timestamppb.New(now)
		if err := r.Receive(message, false); err != nil {
			t.Fatal(err)
		}
		r.prune()
	}
	assert := func(what string, after ledger.Place, want string) {
		t.Helper()
		if got, _ := r.read(t, after); got != want {
			t.Errorf("%s: %q; want %q", what, got, want)
		}
	}
	r.config.Now = func() time.Time { return start.Add(1000 * time.Hour) }
	r.prune()
	assert("by the relay's clock alone", placeOf(0), "1 2 3 8 9")
	both(2)
	assert("an hour after the first has expired", placeOf(0), "1 2 3 8 9")
	both(3.5)
	assert("somewhat later", placeOf(0), "3 8 9")
	assert("after the one that has expired", placeOf(1), "3 8 9")
	assert("within a message, after one that has expired", placeOf(2), "POSITION_EXPIRED")
	both(3.6)
	assert("long after the one that has expired", placeOf(1), "POSITION_EXPIRED")
	both(100)
	both(100)
	assert("much later", placeOf(0), "8")
	assert("from the last position", placeOf(9), "")
	if err := r.Receive(messageOf(10, 10), false); err != nil {
		t.Fatal(err)
	}
	assert("what comes then", placeOf(9), "10")
}

// Only the latest changes are kept decoded; the others are as they were.
func TestOldChangesAreKeptEncoded(t *testing.T) {
	t.Parallel()
	h := new(history)
	for n := 1; n <= keptDecoded+10; n++ {
		b, err := newBatch(placeOf(n), []*feedv1.Change{changeOf(n)})
		if err != nil || !h.add(b) {
			t.Fatal(n, err)
		}
	}
	decoded := 0
	for i, b := range h.batches {
		if b.decoded != nil {
			decoded++
		}
		if got := ids(b.messages()); got != fmt.Sprint(i+1) {
			t.Fatalf("change %d is %s", i+1, got)
		}
	}
	if decoded != keptDecoded {
		t.Errorf("%d are decoded; want %d", decoded, keptDecoded)
	}
	long := changeOf(keptDecoded + 11)
	long.GetRevoked().RevocationId = strings.Repeat("x", keptBytes+1)
	if b, err := newBatch(placeOf(keptDecoded+11), []*feedv1.Change{long}); err != nil || !h.add(b) || h.decoded != len(h.batches) {
		t.Errorf("%d of %d batches are not decoded: %v", h.decoded, len(h.batches), err)
	}
}

// The file has what the relay has.
func TestAnotherRelayTakesTheMessages(t *testing.T) {
	t.Parallel()
	one, other, empty := newRelay(t), newRelay(t), newRelay(t)
	one.mustReceive(t, messageOf(3, 1, 2, 3), messageOf(5, 5), messageOf(5))
	first := true
	for message := range one.Messages() {
		if err := other.Receive(message, first); err != nil {
			t.Fatal(err)
		}
		first = false
	}
	if got, place := other.read(t, ledger.Place{}); got != "1 2 3 5" || place != placeOf(5) {
		t.Errorf("it has %q to %v", got, place)
	}
	if got, _ := other.read(t, placeOf(3)); got != "5" {
		t.Errorf("after a position it has %q", got)
	}
	for message := range empty.Messages() {
		t.Errorf("one that has received nothing gives %v", message)
	}
}

// Without its hub a relay confirms nothing, and waits for nobody.
func TestReportsWithoutAHub(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	follower := &feedv1.Follower{Service: "billing", InstanceId: "billing-0"}
	left, again := r.Followed(follower), r.Followed(follower)
	confirmed := position.Encode(epoch, scope, placeOf(1))
	_, err := r.Report(t.Context(), &feedv1.ReportRequest{Follower: follower, ConfirmedResumeToken: confirmed}, placeOf(1))
	if reason, _ := rpcerror.ReasonOf(err); reason != errorv1.Reason_REASON_STORE_UNAVAILABLE {
		t.Errorf("%v; want %v", err, errorv1.Reason_REASON_STORE_UNAVAILABLE)
	}
	left()
	if got := r.reports(); len(got) != 1 || got[0].GetConfirmedResumeToken() != confirmed || got[0].GetRelayCount() != 1 {
		t.Errorf("the hub is to hear %v", got)
	}
	again()
	if got := r.reports(); len(got) != 0 {
		t.Errorf("the hub is to hear %v of one that is gone", got)
	}
	for range 2 * maxSends {
		r.Confirm(follower, confirmed, placeOf(1))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for range maxSends {
		r.sends <- struct{}{}
	}
	if _, err := r.Report(ended, &feedv1.ReportRequest{Follower: follower}, ledger.Place{}); err == nil {
		t.Error("a report was taken while too many are sent")
	}
	for range maxSends {
		<-r.sends
	}
}

// What a follower confirms is kept and sent as the hub writes it, however long it was.
func TestAPositionOfAFollowerIsKeptAsTheHubWritesIt(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	want := position.Encode(epoch, scope, placeOf(1))
	encoded, err := base64.RawURLEncoding.DecodeString(want)
	if err != nil {
		t.Fatal(err)
	}
	padded := base64.RawURLEncoding.EncodeToString(append(encoded, strings.Repeat(" ", 1000)...))
	place, err := position.Decode[ledger.Place](padded, epoch, scope)
	if err != nil {
		t.Fatalf("the test shows nothing: %v", err)
	}
	follower := &feedv1.Follower{Service: "billing", InstanceId: "billing-0"}
	t.Cleanup(r.Followed(follower))
	_, _ = r.Report(t.Context(), &feedv1.ReportRequest{Follower: follower, ConfirmedResumeToken: padded}, place) // there is no hub
	if got := r.reports()[0].GetConfirmedResumeToken(); got != want {
		t.Errorf("%d bytes are kept; want %d", len(got), len(want))
	}
}
