package server

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/disk"
	"github.com/ostiary/ostiary/server/internal/inbox"
	"github.com/ostiary/ostiary/server/internal/metrics"
	"github.com/ostiary/ostiary/server/internal/problem"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// maxListedFollowers is how many followers a status lists.
const maxListedFollowers = 100

// statusService implements StatusService for both transports. Its rule asks for a token;
// whether its bearer is an operator is decided here.
type statusService struct {
	server  *Server
	started time.Time
}

// GetStatus implements the connect interface.
func (s *statusService) GetStatus(ctx context.Context, req *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	if err := s.server.operators.require(auth.MustCurrentIdentity(ctx)); err != nil {
		return nil, err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	status := s.server.status.message(ctx)
	status.Problems = problem.Find(status)
	return &statusv1.GetStatusResponse{Status: status}, nil
}

// grpcStatus is the service as grpc-go wants it.
type grpcStatus struct {
	statusv1.UnsafeStatusServiceServer
	*statusService
}

// message says how the server is, by what /readyz and the metrics read as well.
func (s *statusService) message(ctx context.Context) *statusv1.ServerStatus {
	srv := s.server
	_, state := srv.readiness()
	version, revision := metrics.Built(srv.config.Version, srv.config.Revision)
	host, _ := os.Hostname() // empty where it is not known
	status := &statusv1.ServerStatus{
		StatusTime: timestamppb.New(srv.config.Now()), StartTime: timestamppb.New(s.started), Readiness: srv.readinessMessage(),
		Version: version, Revision: revision, HostName: host,
		Listeners: srv.listenerMessages(), Store: srv.storeMessage(state.Database), Relay: srv.relayMessage(),
		Issuers: srv.issuerMessages(ctx, state.Reconciled), Feed: srv.feedMessage(), Load: srv.loadMessage(), Log: srv.logMessage(),
		Backends: srv.backendMessages(),
	}
	for _, source := range state.Signals {
		status.SignalSources = append(status.SignalSources, signalMessage(source))
	}
	if sent := state.Transmitter; sent != nil {
		status.Transmitter = &statusv1.TransmitterStatus{
			StreamCount: int64(sent.Streams), FailingStreamCount: int64(sent.Failing), PausedStreamCount: int64(sent.Paused),
			MissedCount: sent.Missed, RefusedCount: sent.Refused, Lag: durationpb.New(time.Duration(sent.Lag) * time.Second),
		}
	}
	return status
}

func (s *Server) readinessMessage() statusv1.Readiness {
	switch {
	case s.draining.HasBegun():
		return statusv1.Readiness_READINESS_STOPPING
	case s.ready():
		return statusv1.Readiness_READINESS_READY
	default:
		return statusv1.Readiness_READINESS_NOT_READY
	}
}

func (s *Server) listenerMessages() []*statusv1.Listener {
	withTLS := func(setting, address string) *statusv1.Listener {
		return &statusv1.Listener{
			Setting: setting, Address: address, CertificateExpireTime: timeMessage(s.certificate.Expires()), CertificateError: s.certificate.Fault(),
			CertificateRenewalDueTime: timeMessage(s.certificate.RenewalDue()),
		}
	}
	listeners := []*statusv1.Listener{withTLS("http_addr", s.HTTPAddr().String()), withTLS("grpc_addr", s.GRPCAddr().String())}
	if s.signalsListener != nil {
		listeners = append(listeners, withTLS("signals_addr", s.SignalsAddr().String()))
	}
	if s.admin != nil {
		listeners = append(listeners, &statusv1.Listener{Setting: "admin_addr", Address: s.AdminAddr().String()})
	}
	return listeners
}

// storeStates are those of a databaseReadiness.
var storeStates = map[string]statusv1.StoreState{
	"ok": statusv1.StoreState_STORE_STATE_OK, "read_only": statusv1.StoreState_STORE_STATE_READ_ONLY, "failing": statusv1.StoreState_STORE_STATE_FAILING,
}

func (s *Server) storeMessage(database *databaseReadiness) *statusv1.StoreStatus {
	if database == nil {
		return nil
	}
	status := s.ledger.Status()
	message := &statusv1.StoreStatus{
		Kind: statusv1.StoreKind_STORE_KIND_POSTGRESQL, Name: storeConfig(s.config).Name(), State: storeStates[database.State], Essential: database.Essential,
		FailingSinceTime: timeMessage(database.FailingSince), LastError: shown(database.LastError),
		RecentSessionCount: int64(status.Sessions), UnsavedSessionCount: int64(status.Unsaved), LostSessionCount: status.Lost,
	}
	if file := s.config.StoreFile(); file != "" {
		message.Kind = statusv1.StoreKind_STORE_KIND_SQLITE
		if bytes, files, err := disk.Free(filepath.Dir(file)); err == nil {
			message.FreeBytes, message.NoInodes = new(int64(min(bytes, math.MaxInt64))), files == 0
		}
	}
	return message
}

func (s *Server) relayMessage() *statusv1.RelayStatus {
	if s.relay == nil {
		return nil
	}
	status := s.relay.Follower().Status()
	return &statusv1.RelayStatus{Hubs: s.config.Follow.Hubs, ConnectedHub: status.Hub, Ready: status.Ready, Stale: status.Stale, LastError: shown(status.LastError)}
}

func (s *Server) issuerMessages(ctx context.Context, reconciled []reconciliation) []*statusv1.IssuerStatus {
	signOuts := s.signOutMessages(ctx, reconciled)
	issuers := make([]*statusv1.IssuerStatus, len(s.keys))
	for i, source := range s.keys {
		state := source.readiness()
		message := &statusv1.IssuerStatus{
			Issuer: state.Issuer, Essential: state.Essential, Ready: state.Ready, Fetched: source.remote != nil,
			FetchTime: timeMessage(state.FetchedAt), NextFetchTime: timeMessage(state.NextFetch),
			FailureCount: int64(state.Failures), FailingSinceTime: timeMessage(state.FailingSince), LastError: shown(state.LastError),
			SignOuts: signOuts[state.Issuer],
		}
		if source.remote != nil {
			status := source.remote.Status()
			message.KeySource, message.UnknownKeyCount = status.Source, status.UnknownKeys
			for _, key := range status.Keys {
				message.Keys = append(message.Keys, &statusv1.KeyStatus{KeyId: key.ID, Algorithms: key.Algorithms})
			}
			for _, skipped := range status.Skipped {
				message.SkippedKeys = append(message.SkippedKeys, &statusv1.SkippedKey{KeyId: skipped.ID, Why: skipped.Reason})
			}
			if ahead := source.remote.ClockAhead(); ahead != 0 {
				message.ClockAhead = durationpb.New(ahead)
			}
		}
		issuers[i] = message
	}
	return issuers
}

// signOutMessages returns how sessions are ended at their issuers, by issuer.
func (s *Server) signOutMessages(ctx context.Context, reconciled []reconciliation) map[string]*statusv1.SignOutStatus {
	if s.ledger == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
	defer cancel()
	readable := s.ledger.Status().Readable
	messages := make(map[string]*statusv1.SignOutStatus)
	for issuer, tried := range s.ledger.SignOutAttempts() {
		message := &statusv1.SignOutStatus{EndedCount: tried.Ended, RefusedCount: tried.Refused, FailedCount: tried.Failed}
		if readable { // else it would only take long
			if pending, err := s.ledger.PendingSignOuts(ctx, issuer); err == nil {
				message.PendingCount = &pending
			}
		}
		messages[issuer] = message
	}
	for _, r := range reconciled {
		if message := messages[r.Issuer]; message != nil {
			message.ReconcileTime = timeMessage(r.FinishedAt)
		}
	}
	return messages
}

func signalMessage(state inbox.State) *statusv1.SignalSourceStatus {
	message := &statusv1.SignalSourceStatus{
		Source: state.Source, Issuers: state.Issuers,
		LastMessageTime: timeMessage(state.LastMessage), LastAcceptedTime: timeMessage(state.LastAccepted), LastRefusedTime: timeMessage(state.LastRefused),
		LastError: shown(state.LastError), Lag: durationpb.New(time.Duration(state.LagSeconds * float64(time.Second))),
		AcceptedCount: state.Accepted, RepeatedCount: state.Repeated, IgnoredCount: state.Ignored, RefusedCount: state.Refused, FailedCount: state.Failed,
		LastPollTime: timeMessage(state.LastPoll),
	}
	if stream := state.Stream; stream != nil {
		message.Stream = &statusv1.SignalStreamStatus{
			StreamId: stream.ID, State: stream.Status, VerifyTime: timeMessage(stream.Verified), Stale: stream.Stale, Failing: stream.Failing,
		}
	}
	return message
}

func (s *Server) feedMessage() *statusv1.FeedStatus {
	entries, age, followers := s.revocationStatus()
	message := &statusv1.FeedStatus{RevocationCount: int64(entries), Age: durationpb.New(age), FollowerCount: int64(followers)}
	if s.ledger == nil {
		return message
	}
	all := s.ledger.Followers()
	for _, follower := range all[:min(len(all), maxListedFollowers)] {
		message.Followers = append(message.Followers, &statusv1.FollowerStatus{
			Service: follower.Service, InstanceId: follower.Instance, Connected: follower.Connected, HeardTime: timeMessage(follower.HeardAt), BehindCount: follower.Behind,
		})
	}
	return message
}

func (s *Server) backendMessages() []*statusv1.BackendStatus {
	states := s.backends.States()
	messages := make([]*statusv1.BackendStatus, len(states))
	for i, state := range states {
		messages[i] = &statusv1.BackendStatus{
			Name: state.Name, Reflection: state.Reflection, LastError: shown(state.LastError),
			ReadTime: timeMessage(state.ReadAt), FailingSinceTime: timeMessage(state.FailingSince),
		}
		if state.Schema != nil {
			messages[i].ServiceCount = int64(len(state.Schema.Services))
		}
	}
	return messages
}

func (s *Server) loadMessage() *statusv1.Load {
	return &statusv1.Load{
		ConnectionCount: int64(s.connections.Open()), MaxConnectionCount: int64(s.config.MaxConnections), RefusedConnectionCount: s.connections.RefusedTotal(),
		StreamCount: int64(s.openStreams()), MaxStreamCount: int64(s.config.MaxStreams), DelayedRefusalCount: s.refusals.DelayedTotal(),
	}
}

func (s *Server) logMessage() *statusv1.LogStatus {
	kept := s.decisions.Status()
	message := &statusv1.LogStatus{
		DecisionsOutput: s.config.Decisions, WrittenDecisionCount: int64(kept.Written), LostDecisionCount: int64(kept.Lost), //nolint:gosec // they count records
		DecisionsFailing: kept.Failing, DecisionWatcherCount: kept.Watchers,
	}
	if s.config.DroppedLogLines != nil {
		message.DroppedLineCount = int64(s.config.DroppedLogLines()) //nolint:gosec // it counts lines
	}
	return message
}

// shown returns a text of others, such as a database's in another encoding, which a message of
// protobuf would not take.
func shown(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
