package server

import (
	"context"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/watch"
)

// watchedAtOnce is how many revocations a message of a watch has at most.
const watchedAtOnce = 100

// watch sends revocations until the caller leaves. It reads them from the store when the caller
// has read those before, and holds none.
func (s *revocationService) watch(ctx context.Context, req *revocationv1.WatchRevocationsRequest, send func(*revocationv1.WatchRevocationsResponse) error) error {
	if err := s.operators.require(auth.MustCurrentIdentity(ctx)); err != nil {
		return err
	}
	r := reader{ledger: s.ledger}
	r.faults.RefuseUnknown(req)
	listing := r.revocationListing(req.GetFilter())
	if err := r.faults.Err(); err != nil {
		return err
	}
	epoch, scope := s.ledger.Epoch(), revocationScope(req.GetFilter(), false)
	after, err := position.Decode[ledger.Place](req.GetResumeToken(), epoch, scope)
	if err != nil {
		return err
	}
	if req.GetResumeToken() == "" {
		after = ledger.PlaceOf(s.ledger.Latest())
	}
	heartbeat := time.NewTicker(s.heartbeat)
	defer heartbeat.Stop()
	for due := true; ; { // whether a message is due, even one without revocations
		id := auth.MustCurrentIdentity(ctx) // as of the newest token, which may have fewer permissions
		if err := s.operators.require(id); err != nil {
			return err
		}
		if s.ledger.Epoch() != epoch {
			return rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
		}
		changed, latest := s.ledger.Changed(), ledger.PlaceOf(s.ledger.Latest())
		page, err := s.ledger.Revocations(ctx, listing, after, watchedAtOnce)
		if err != nil {
			return err
		}
		after = page.Next
		if !page.More && latest.Sequence > after.Sequence {
			after = latest // those in between were examined
		}
		if due || len(page.Revocations) > 0 {
			res := &revocationv1.WatchRevocationsResponse{ResumeToken: position.Encode(epoch, scope, after)}
			for _, r := range page.Revocations {
				res.Revocations = append(res.Revocations, s.message(r, id))
			}
			if err := send(res); err != nil {
				return err
			}
			heartbeat.Reset(s.heartbeat)
		}
		if page.More {
			changed = watch.Ready
		}
		if due, err = watch.Wait(ctx, changed, heartbeat.C, s.stopping); err != nil {
			return err
		}
	}
}
