// Package feed serves the FeedService: what is revoked goes to those who follow, and they report the
// sessions that they have seen and what they have decided.
//
//	followers := feed.NewFollowers(permission, secrets)
//	service := feed.New(feed.Config{Source: feed.Hub(ledger, retention), Followers: followers, …})
//	service.Mount(mux, options...) // for connect-go, behind a guard with a feed.Authenticator
//	service.Register(registrar)    // for grpc-go
package feed

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/watch"
)

const (
	// maxChangesBytes is the most in a page of changes.
	maxChangesBytes = 1 << 20
	// changesAtOnce and changesBytesAtOnce are the most in a message of a stream. They are
	// what a follower that has stopped reading costs.
	changesAtOnce      = 500
	changesBytesAtOnce = 64 << 10
	// The interval between heartbeats, within which a follower can choose.
	minHeartbeat = time.Second
	maxHeartbeat = 30 * time.Second

	maxFollowerName = 253
)

// Scope is that of positions in the changes, for both methods.
var Scope = position.ScopeOf(feedv1.FeedService_ServiceDesc.ServiceName, nil)

// Config configures a Service. All fields are required.
type Config struct {
	// Source is a Hub or a Relay.
	Source    Source
	Followers Followers
	Decisions *decisions.Log
	Now       func() time.Time
	Log       *slog.Logger
	// Stopping is closed when the server begins to stop.
	Stopping <-chan struct{}
}

// A Service implements FeedService for both transports. Its rule asks for a token; whether its
// bearer may follow is decided here.
type Service struct {
	source    Source
	followers Followers
	decisions *decisions.Log
	now       func() time.Time
	log       followerLog
	stopping  <-chan struct{}
}

// New returns a Service.
func New(config Config) *Service {
	return &Service{
		source: config.Source, followers: config.Followers, decisions: config.Decisions, now: config.Now,
		log: followerLog{log: config.Log}, stopping: config.Stopping,
	}
}

// Mount adds the service as connect-go serves it.
func (s *Service) Mount(mux *http.ServeMux, options ...connect.HandlerOption) {
	// The same changes go to each follower: to compress them for each is for those alone who
	// read very many.
	options = append(slices.Clone(options), connect.WithCompressMinBytes(changesBytesAtOnce/4))
	mux.Handle(feedv1connect.NewFeedServiceHandler(connectFeed{s}, options...))
}

// Register adds the service as grpc-go serves it.
func (s *Service) Register(registrar grpc.ServiceRegistrar) {
	feedv1.RegisterFeedServiceServer(registrar, grpcFeed{Service: s})
}

// from returns the place after which to read, and the epoch of its database. It refuses a
// request with faults.
func (s *Service) from(token string, follower *feedv1.Follower, faults *rpcerror.Violations) (epoch position.Epoch, place ledger.Place, err error) {
	checkFollower(follower, faults)
	if err := faults.Err(); err != nil {
		return epoch, place, err
	}
	epoch = s.source.Epoch()
	place, err = position.Decode[ledger.Place](token, epoch, Scope)
	return epoch, place, err
}

func checkFollower(follower *feedv1.Follower, faults *rpcerror.Violations) {
	followerName("follower.service", follower.GetService(), faults)
	followerName("follower.instance_id", follower.GetInstanceId(), faults)
}

func followerName(field, name string, faults *rpcerror.Violations) {
	switch {
	case name == "":
		faults.Add(field, "missing; say who follows, so that it can be found when it lags")
	case len(name) > maxFollowerName || strings.ContainsFunc(name, func(c rune) bool { return c < 0x21 || c > 0x7e }):
		faults.Add(field, "over %d characters, or not visible ASCII; write a name such as billing", maxFollowerName)
	}
}

// ReadChanges implements both the connect and the grpc-go interface.
func (s *Service) ReadChanges(ctx context.Context, req *feedv1.ReadChangesRequest) (*feedv1.ReadChangesResponse, error) {
	began := time.Now()
	if err := s.followers.Require(auth.MustFromContext(ctx)); err != nil {
		return nil, err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	size := faults.PageSize(req.GetPageSize(), rpcerror.MaxPageSize)
	epoch, from, err := s.from(req.GetResumeToken(), req.GetFollower(), &faults)
	if err != nil {
		return nil, err
	}
	if req.GetResumeToken() != "" { // which is kept once the changes have been added
		s.source.Confirm(req.GetFollower(), req.GetResumeToken(), from)
	}
	for cursor := s.source.Follow(epoch, from, false); ; {
		page, wait, err := cursor.Next(ctx, size, maxChangesBytes)
		if err != nil {
			return nil, err
		}
		if all := !page.Through.IsZero(); all || len(page.Changes) > 0 {
			res := &feedv1.ReadChangesResponse{Changes: page.Changes, ResumeToken: position.Encode(epoch, Scope, page.Place), More: !all, Retention: s.source.Retention()}
			if all {
				res.CompleteThrough = durationpb.New(page.Through.Sub(began))
			}
			return res, nil
		}
		if page.Failure != nil {
			return nil, s.source.Unavailable(ctx, page.Failure)
		}
		select {
		case <-wait:
		case <-s.stopping:
			return nil, rpcerror.Stopping()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Watch sends changes, and heartbeats between them, until the follower leaves. It fetches
// them when the follower has read those before, and holds none.
func (s *Service) Watch(ctx context.Context, req *feedv1.WatchChangesRequest, send func(*feedv1.WatchChangesResponse) error) error {
	began := time.Now()
	if err := s.followers.Require(auth.MustFromContext(ctx)); err != nil {
		return err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	interval := heartbeatOf(req.GetHeartbeatInterval(), &faults)
	epoch, from, err := s.from(req.GetResumeToken(), req.GetFollower(), &faults)
	if err != nil {
		return err
	}
	left := s.source.Followed(req.GetFollower())
	defer left()
	s.log.write(ctx, s.now(), "connected", req.GetFollower())
	defer func() { s.log.write(ctx, s.now(), "disconnected", req.GetFollower()) }()

	cursor, place := s.source.Follow(epoch, from, true), from
	token, every := position.Encode(epoch, Scope, from), durationpb.New(interval)
	var complete *durationpb.Duration // until something is
	var through time.Time             // as of when that is
	own := ownToken{service: s}
	heartbeat := time.NewTimer(interval)
	defer heartbeat.Stop()
	for due := true; ; { // whether a message is due, even one without changes
		revoked, err := own.check(ctx)
		if err != nil {
			return err
		}
		page, wait, err := cursor.Next(ctx, changesAtOnce, changesBytesAtOnce)
		if err != nil {
			return err
		}
		if page.Place != place {
			place, token = page.Place, position.Encode(epoch, Scope, page.Place)
		}
		all := !page.Through.IsZero()
		if all && page.Through.After(through) {
			through = page.Through
			complete = durationpb.New(through.Sub(began))
		}
		if due || len(page.Changes) > 0 {
			if err := send(&feedv1.WatchChangesResponse{
				Changes: page.Changes, ResumeToken: token, CompleteThrough: complete,
				HeartbeatInterval: every, Retention: s.source.Retention(), HubTime: timestamppb.New(s.now()),
			}); err != nil {
				return err
			}
			heartbeat.Reset(interval)
		}
		switch {
		case revoked != nil && all:
			return revoked
		case len(page.Changes) > 0 && !all:
			wait = watch.Ready
		}
		if due, err = watch.Wait(ctx, wait, heartbeat.C, s.stopping); err != nil {
			return err
		}
	}
}

// heartbeatOf returns the interval that the hub keeps.
func heartbeatOf(asked *durationpb.Duration, faults *rpcerror.Violations) time.Duration {
	if asked != nil && asked.CheckValid() != nil {
		faults.Add("heartbeat_interval", "not a duration; write one between 1s and 30s, or leave it out")
	}
	return min(max(asked.AsDuration(), minHeartbeat), maxHeartbeat)
}

// lastWords is how long a stream goes on at most when the token of its follower was
// revoked.
const lastWords = 2 * time.Second

// ownToken is the token of a stream's follower, which can be renewed or revoked. The guard
// does not end the stream by its revocation, see Revocations.
type ownToken struct {
	service *Service
	holder  *auth.Identity
	counts  func() error
	since   time.Time // when it was found to be revoked
}

// check returns an error if the stream is to end, and otherwise whether it is to end
// when all changes have been sent, with that of its own revocation.
func (o *ownToken) check(ctx context.Context) (revoked, err error) {
	if id := auth.MustCurrentIdentity(ctx); id != o.holder {
		if err := o.service.followers.Require(id); err != nil {
			return nil, err // a newer token may have lost the permission
		}
		o.holder, o.counts = id, auth.CallerCheck(ctx)
	}
	revoked = o.counts()
	if reason, _ := auth.ReasonOf(revoked); reason != auth.TokenRevoked {
		return nil, nil // the guard ends streams for every other reason
	}
	if o.since.IsZero() {
		o.since = time.Now()
		o.service.source.Refresh(ctx) // so that it is among the changes, unless the store fails
	}
	if time.Since(o.since) > lastWords {
		return nil, revoked
	}
	return revoked, nil
}

// connectFeed is the service as connect-go wants it.
type connectFeed struct{ *Service }

func (s connectFeed) WatchChanges(ctx context.Context, req *feedv1.WatchChangesRequest, stream *connect.ServerStream[feedv1.WatchChangesResponse]) error {
	return s.Watch(ctx, req, stream.Send)
}

// grpcFeed is the service as grpc-go wants it.
type grpcFeed struct {
	feedv1.UnsafeFeedServiceServer
	*Service
}

func (s grpcFeed) WatchChanges(req *feedv1.WatchChangesRequest, stream grpc.ServerStreamingServer[feedv1.WatchChangesResponse]) error {
	return s.Watch(stream.Context(), req, stream.Send)
}
