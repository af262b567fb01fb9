package relay

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// keptDecoded is how many of the latest changes are kept decoded, which takes about 1 KiB
// each, and keptBytes how many bytes of them, encoded; the others take some 200 bytes.
const (
	keptDecoded = 1 << 14
	keptBytes   = 16 << 20
)

// errAhead means that a place is after everything that was received.
var errAhead = errors.New("the place was not received yet")

// A batch is the changes of one message of the hub. It is not changed.
type batch struct {
	place   ledger.Place // after them
	encoded []byte       // a WatchChangesResponse that has them alone
	decoded []*feedv1.Change
	count   int
	expires time.Time // the first of them; zero: none of them does
}

func newBatch(place ledger.Place, changes []*feedv1.Change) (*batch, error) {
	encoded, err := proto.Marshal(&feedv1.WatchChangesResponse{Changes: changes})
	b := &batch{place: place, encoded: encoded, decoded: changes, count: len(changes)}
	for _, change := range changes {
		if at := expiry(change); !at.IsZero() && (b.expires.IsZero() || at.Before(b.expires)) {
			b.expires = at
		}
	}
	return b, err
}

// expiry returns when a change expires. It is zero if it never does, or that is not known.
func expiry(change *feedv1.Change) time.Time {
	if at := change.GetRevoked().GetExpireTime(); at.IsValid() {
		return at.AsTime()
	}
	return time.Time{}
}

// messages returns the changes, which must not be changed.
func (b *batch) messages() []*feedv1.Change {
	if b.decoded != nil {
		return b.decoded
	}
	message := new(feedv1.WatchChangesResponse)
	if err := proto.Unmarshal(b.encoded, message); err != nil {
		panic("relay: what was encoded cannot be decoded: " + err.Error())
	}
	return message.GetChanges()
}

// has reports whether a change may be the one at a place.
func (b *batch) has(place ledger.Place) bool {
	return slices.ContainsFunc(b.messages(), func(c *feedv1.Change) bool {
		return c.GetRevoked().GetCreateTime().AsTime().UnixMicro() == place.CreatedAt
	})
}

// A history is all that was received of a database, in order.
type history struct {
	epoch   position.Epoch
	batches []*batch
	decoded int // the first batch that is kept decoded,
	count   int // how many changes there are from there on,
	bytes   int // and how long they are
}

// last returns the place after everything.
func (h *history) last() ledger.Place {
	if len(h.batches) == 0 {
		return ledger.Place{}
	}
	return h.batches[len(h.batches)-1].place
}

// add adds the next batch, and reports whether it is one.
func (h *history) add(next *batch) bool {
	switch last := h.last(); {
	case next.place == last && next.count == 0: // a heartbeat
		return true
	case next.place.Sequence <= last.Sequence: // who reads from place to place would not get on
		return false
	}
	h.batches = append(h.batches, next)
	h.count, h.bytes = h.count+next.count, h.bytes+len(next.encoded)
	h.strip()
	return true
}

// strip keeps only the latest changes decoded.
func (h *history) strip() {
	for ; h.decoded < len(h.batches) && (h.count > keptDecoded || h.bytes > keptBytes); h.decoded++ {
		b := *h.batches[h.decoded]
		b.decoded = nil
		h.batches[h.decoded] = &b
		h.count, h.bytes = h.count-b.count, h.bytes-len(b.encoded)
	}
}

// from returns the batches from one on, for use without a lock.
func (h *history) from(at int) []*batch { return slices.Clone(h.batches[at:]) }

// page returns the batches of a page: at least one, if there are any.
func (h *history) page(at, limit, size int) []*batch {
	end, count, bytes := at, 0, 0
	for ; end < len(h.batches); end++ {
		count += h.batches[end].count
		bytes += len(h.batches[end].encoded)
		if end > at && (count > limit || bytes > size) {
			break
		}
	}
	return slices.Clone(h.batches[at:end])
}

// after returns the first batch after a place, as of another hub with the same database:
// it can be in the middle of a batch, which is then sent whole. In doubt the follower is
// to read from the beginning. Errors are errAhead, and answers to the caller.
func (h *history) after(place ledger.Place) (at int, err error) {
	if place == (ledger.Place{}) {
		return 0, nil
	}
	at, found := slices.BinarySearchFunc(h.batches, place.Sequence, func(b *batch, n int64) int { return cmp.Compare(b.place.Sequence, n) })
	switch {
	case at == len(h.batches):
		return 0, errAhead
	case found && h.batches[at].place == place:
		return at + 1, nil
	case found:
		return 0, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	case h.batches[at].has(place):
		return at, nil
	default:
		return 0, rpcerror.New(errorv1.Reason_REASON_POSITION_EXPIRED)
	}
}

// pruned returns the batches without what has expired by a time. One without changes is
// kept for the followers that have read that far, until the next time, and the last one
// always.
func pruned(batches []*batch, by time.Time) (kept []*batch) {
	for i, b := range batches {
		if b.count == 0 && i < len(batches)-1 {
			continue
		}
		if !b.expires.IsZero() && b.expires.Before(by) {
			left := slices.DeleteFunc(slices.Clone(b.messages()), func(c *feedv1.Change) bool {
				at := expiry(c)
				return !at.IsZero() && at.Before(by)
			})
			if shorter, err := newBatch(b.place, left); err == nil {
				b = shorter
			}
		}
		kept = append(kept, b)
	}
	return kept
}

// replace replaces the first n batches.
func (h *history) replace(n int, kept []*batch) {
	h.batches = append(kept, h.batches[n:]...)
	h.decoded, h.count, h.bytes = 0, 0, 0
	for _, b := range h.batches {
		h.count, h.bytes = h.count+b.count, h.bytes+len(b.encoded)
	}
	h.strip()
}
