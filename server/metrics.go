package server

import (
	"context"
	"time"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/internal/metrics"
	"github.com/ostiary/ostiary/server/internal/otelenv"
	"github.com/ostiary/ostiary/server/internal/tracing"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// startTelemetry begins to measure and to trace, where somebody is to read it. What measures
// also adds the decisions to the traces.
func (s *Server) startTelemetry(ctx context.Context) (err error) {
	if otelenv.Exports("TRACES") {
		s.tracing, err = tracing.New(ctx, tracing.Config{Version: s.config.Version, Identities: s.config.TraceIdentities, Log: s.log})
		if err != nil {
			return err
		}
	}
	if s.config.AdminAddr == settings.AdminNone && !otelenv.Exports("METRICS") && s.tracing == nil {
		return nil
	}
	s.metrics, err = metrics.New(ctx, metrics.Config{Version: s.config.Version, Revision: s.config.Revision, Log: s.log})
	return err
}

// measure has what the parts of the server know of themselves read with the metrics. Issuers
// and sources are those of the Config, so their number is bounded.
func (s *Server) measure() {
	s.metrics.Gauge("ostiary.ready", "", "1 if the server is ready, and 0 otherwise.", func(record metrics.Record) {
		record(one(s.ready()))
	})
	s.metrics.Gauge("ostiary.leases.open", "{lease}", "Streams that are open.", func(record metrics.Record) {
		record(float64(s.openStreams()))
	})
	s.metrics.Gauge("ostiary.connections.open", "{connection}", "Connections that are open, without those of operators.", func(record metrics.Record) {
		record(float64(s.connections.Open()))
	})
	s.metrics.Counter("ostiary.connections.refused", "{connection}", "Connections that were closed at once, since there were too many.", func(record metrics.Record) {
		record(float64(s.connections.RefusedTotal()))
	})
	s.metrics.Counter("ostiary.refusals.delayed", "{call}", "Refusals that waited a second, since their address was refused without pause.", func(record metrics.Record) {
		record(float64(s.refusals.DelayedTotal()))
	})
	if dropped := s.config.DroppedLogLines; dropped != nil {
		s.metrics.Counter("ostiary.log.dropped", "{line}", "Lines of the log that were dropped, since they were not read in time.", func(record metrics.Record) {
			record(float64(dropped()))
		})
	}
	if s.certificate != nil {
		s.metrics.Gauge("ostiary.tls.certificate.renewal.due", "s", "When the TLS certificate in use should have been renewed, in seconds since 1970.", func(record metrics.Record) {
			record(float64(s.certificate.RenewalDue().Unix()))
		})
		s.metrics.Gauge("ostiary.tls.certificate.expiry", "s", "When the TLS certificate in use expires, in seconds since 1970.", func(record metrics.Record) {
			record(float64(s.certificate.Expires().Unix()))
		})
	}
	s.measureDecisions()
	s.measureTokens()
	s.measureKeys()
	s.measureRevocations()
	s.measureSignals()
	if s.ledger != nil {
		s.measureLedger()
	}
}

// openStreams counts the streams of all services.
func (s *Server) openStreams() int {
	return s.guard.OpenStreams() + s.feedGuard.OpenStreams() + s.transmitterGuard.OpenStreams()
}

func (s *Server) measureDecisions() {
	m := s.metrics
	m.Gauge("ostiary.decisions.watchers", "{watcher}", "Operators who watch decisions.", func(record metrics.Record) {
		record(float64(s.decisions.Status().Watchers))
	})
	m.Counter("ostiary.decisions.reported", "{record}", "Records of decisions that services which follow have reported.", func(record metrics.Record) {
		record(float64(s.decisions.Status().Reported))
	})
	m.Counter("ostiary.decisions.rejected", "{record}", "Records of decisions that services have reported, and that were left out since they cannot be.", func(record metrics.Record) {
		record(float64(s.decisions.Status().Rejected))
	})
	if s.config.Decisions == settings.DecisionsNone {
		return
	}
	m.Counter("ostiary.decisions.written", "{record}", "Records of decisions that were written.", func(record metrics.Record) {
		record(float64(s.decisions.Status().Written))
	})
	m.Counter("ostiary.decisions.lost", "{record}", "Records of decisions that could not be written, and are lost.", func(record metrics.Record) {
		record(float64(s.decisions.Status().Lost))
	})
	m.Gauge("ostiary.decisions.failing", "", "1 while records of decisions cannot be written, and 0 otherwise.", func(record metrics.Record) {
		record(one(s.decisions.Status().Failing))
	})
}

func (s *Server) measureTokens() {
	m := s.metrics
	m.Counter("ostiary.token_cache.hits", "{token}", "Tokens that had been verified before.", func(record metrics.Record) {
		record(float64(s.verifier.CacheStatus().Hits))
	})
	m.Counter("ostiary.token_cache.misses", "{token}", "Tokens that had to be verified, forged ones among them.", func(record metrics.Record) {
		record(float64(s.verifier.CacheStatus().Misses))
	})
	m.Gauge("ostiary.token_cache.entries", "{token}", "Verified tokens in memory.", func(record metrics.Record) {
		record(float64(s.verifier.CacheStatus().Entries))
	})
	m.Gauge("ostiary.token_cache.size", "By", "Memory of the verified tokens.", func(record metrics.Record) {
		record(float64(s.verifier.CacheStatus().Bytes))
	})
}

// Attributes.
const (
	issuerAttribute = "ostiary.issuer"
	sourceAttribute = "ostiary.source"
	resultAttribute = "ostiary.result"
	useAttribute    = "ostiary.use"
	stateAttribute  = "ostiary.state"
)

func (s *Server) measureKeys() {
	// each reads the key sets that are fetched.
	each := func(read func(record metrics.Record, k keySource)) func(metrics.Record) {
		return func(record metrics.Record) {
			for _, k := range s.keys {
				if k.remote != nil {
					read(record, k)
				}
			}
		}
	}
	m := s.metrics
	m.Gauge("ostiary.jwks.ready", "", "1 if there are keys of the issuer, and 0 otherwise.", each(func(record metrics.Record, k keySource) {
		record(one(k.ready()), issuerAttribute, k.issuer)
	}))
	m.Gauge("ostiary.jwks.keys", "{key}", "Keys of the issuer.", each(func(record metrics.Record, k keySource) {
		record(float64(len(k.remote.Status().Keys)), issuerAttribute, k.issuer)
	}))
	m.Gauge("ostiary.jwks.age", "s", "Time since the key set was fetched last.", each(func(record metrics.Record, k keySource) {
		if status := k.remote.Status(); !status.FetchedAt.IsZero() {
			record(status.Age.Seconds(), issuerAttribute, k.issuer)
		}
	}))
	m.Counter("ostiary.jwks.fetches", "{fetch}", "Fetches of the key set, by whether they succeeded.", each(func(record metrics.Record, k keySource) {
		status := k.remote.Status()
		record(float64(status.SuccessfulFetches), issuerAttribute, k.issuer, resultAttribute, "success")
		record(float64(status.FailedFetches), issuerAttribute, k.issuer, resultAttribute, "failure")
	}))
	m.Counter("ostiary.jwks.unknown_kid", "{token}", "Tokens that named a key which the issuer does not have.", each(func(record metrics.Record, k keySource) {
		record(float64(k.remote.Status().UnknownKeys), issuerAttribute, k.issuer)
	}))
}

// revocationStatus returns how many revocations there are, how old their copy is, and who
// follows.
func (s *Server) revocationStatus() (entries int, age time.Duration, followers int) {
	if s.relay != nil {
		status := s.relay.Follower().Status()
		return status.Revocations, status.Age, s.relay.Followers()
	}
	status := s.ledger.Status()
	return status.Revocations, status.Age, status.Followers
}

func (s *Server) measureRevocations() {
	m := s.metrics
	m.Gauge("ostiary.revocations.entries", "{revocation}", "Revocations in memory. Expired ones count until their space is needed.", func(record metrics.Record) {
		entries, _, _ := s.revocationStatus()
		record(float64(entries))
	})
	m.Gauge("ostiary.revocations.feed.age", "s", "Age of the copy of the revocations: all that others revoked before is in it.", func(record metrics.Record) {
		_, age, _ := s.revocationStatus()
		record(age.Seconds())
	})
	m.Gauge("ostiary.revocations.followers", "{follower}", "Services and relays that follow this server.", func(record metrics.Record) {
		_, _, followers := s.revocationStatus()
		record(float64(followers))
	})
	if s.relay != nil {
		m.Gauge("ostiary.relay.connected", "", "1 while this relay is connected to a hub, and 0 otherwise.", func(record metrics.Record) {
			record(one(s.relay.Follower().Status().Hub != ""))
		})
	}
}

func (s *Server) measureSignals() {
	each := func(read func(record metrics.Record, status signals.Status)) func(metrics.Record) {
		return func(record metrics.Record) {
			for _, status := range s.inbox.Statuses() {
				read(record, status)
			}
		}
	}
	if !s.inbox.IsEmpty() {
		m := s.metrics
		m.Counter("ostiary.signals.messages", "{message}", "Messages of issuers, by what became of them.", each(func(record metrics.Record, status signals.Status) {
			for result, n := range map[string]int64{
				"accepted": status.Accepted, "repeated": status.Repeated, "ignored": status.Ignored, "refused": status.Refused, "failed": status.Failed,
			} {
				record(float64(n), sourceAttribute, status.Source, resultAttribute, result)
			}
		}))
		m.Gauge("ostiary.signals.last_message", "s", "When the last message came that its sender has signed, in seconds since 1970.", each(func(record metrics.Record, status signals.Status) {
			if at := status.LastMessage; !at.IsZero() {
				record(float64(at.UnixMilli())/1000, sourceAttribute, status.Source)
			}
		}))
		m.Gauge("ostiary.signals.lag", "s", "How long after it had happened the last accepted message was in force.", each(func(record metrics.Record, status signals.Status) {
			if !status.LastAccepted.IsZero() {
				record(status.Lag.Seconds(), sourceAttribute, status.Source)
			}
		}))
	}
	if s.transmitter != nil {
		s.metrics.Gauge("ostiary.transmitter.streams", "{stream}", "Streams of security events to receivers.", func(record metrics.Record) {
			summary := s.transmitter.Summary()
			record(float64(summary.Failing), stateAttribute, "failing")
			record(float64(summary.Paused), stateAttribute, "paused")
			record(float64(summary.Streams-summary.Failing-summary.Paused), stateAttribute, "working")
		})
		s.metrics.Gauge("ostiary.transmitter.lag", "s", "How long the oldest event has waited that a receiver has not taken.", func(record metrics.Record) {
			record(float64(s.transmitter.Summary().Lag))
		})
	}
}

// pendingTimeout bounds the look into the database for what is to be sent to issuers.
const pendingTimeout = 2 * time.Second

func (s *Server) measureLedger() {
	m := s.metrics
	m.Gauge("ostiary.store.usable", "", "1 if the database took the latest reads, or writes, and 0 otherwise.", func(record metrics.Record) {
		status := s.ledger.Status()
		record(one(status.Readable), useAttribute, "read")
		record(one(status.Writable), useAttribute, "write")
	})
	m.Gauge("ostiary.sessions.recent", "{session}", "Sessions in memory that were seen lately.", func(record metrics.Record) {
		record(float64(s.ledger.Status().Sessions))
	})
	m.Gauge("ostiary.sessions.unsaved", "{session}", "Sessions of which something is still to be written to the database.", func(record metrics.Record) {
		record(float64(s.ledger.Status().Unsaved))
	})
	m.Counter("ostiary.sessions.lost", "{session}", "Sessions that were seen and never written, since there were too many.", func(record metrics.Record) {
		record(float64(s.ledger.Status().Lost))
	})
	m.Gauge("ostiary.revocations.feed.behind", "{revocation}", "Revocations that the slowest follower has not confirmed.", func(record metrics.Record) {
		record(float64(s.ledger.Status().Behind))
	})
	if len(s.ledger.SignOutAttempts()) == 0 {
		return
	}
	m.Gauge("ostiary.outbox.pending", "{session}", "Sessions that have ended here and are still to be ended at their issuer.", func(record metrics.Record) {
		ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout)
		defer cancel()
		for issuer := range s.ledger.SignOutAttempts() {
			if pending, err := s.ledger.PendingSignOuts(ctx, issuer); err == nil {
				record(float64(pending), issuerAttribute, issuer)
			}
		}
	})
	m.Counter("ostiary.outbox.attempts", "{attempt}", "Attempts of this server to end sessions at their issuer.", func(record metrics.Record) {
		for issuer, tried := range s.ledger.SignOutAttempts() {
			record(float64(tried.Ended), issuerAttribute, issuer, resultAttribute, "success")
			record(float64(tried.Refused), issuerAttribute, issuer, resultAttribute, "refused")
			record(float64(tried.Failed), issuerAttribute, issuer, resultAttribute, "failure")
		}
	})
}

// endCall is called with each call that has ended.
func (s *Server) endCall(ctx context.Context, call transport.Call) {
	s.recordOutcome(ctx, &call)
	ended := tracing.Call{Procedure: call.Procedure, Protocol: call.Protocol, Outcome: call.Outcome}
	if call.Decision != nil {
		ended.Identity = call.Decision.Identity
		s.metrics.Call(ctx, call.Procedure, call.Protocol, call.Outcome, call.Took)
	}
	s.tracing.End(ctx, ended)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
