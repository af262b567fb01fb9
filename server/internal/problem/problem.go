// Package problem finds what is wrong with a server by its status, and says what to do about it.
//
//	status.Problems = problem.Find(status)
package problem

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/disk"
)

const (
	// oldRevocations is the age of revocations from which on they are too old.
	oldRevocations = time.Minute
	// nearlyAll is the part of a bound from which on it counts as nearly reached.
	nearlyAll = 0.9
)

const (
	severityFault   = statusv1.ProblemSeverity_PROBLEM_SEVERITY_FAULT
	severityWarning = statusv1.ProblemSeverity_PROBLEM_SEVERITY_WARNING
)

// Find returns what is wrong by a status, faults first.
func Find(status *statusv1.ServerStatus) []*statusv1.Problem {
	var found []*statusv1.Problem
	if status.GetReadiness() == statusv1.Readiness_READINESS_STOPPING {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "server.stopping", What: "The server is about to stop.", Why: "Load balancers turn to other servers.",
			Remedy: "Nothing, if somebody stops it. Otherwise the last lines of its log say why.",
		})
	}
	for _, issuer := range status.GetIssuers() {
		found = append(found, issuerProblems(issuer)...)
	}
	found = append(found, storeProblems(status.GetStore())...)
	found = append(found, certificateProblems(status)...)
	found = append(found, relayProblems(status.GetRelay())...)
	found = append(found, feedProblems(status)...)
	for _, source := range status.GetSignalSources() {
		found = append(found, signalProblems(source)...)
	}
	found = append(found, transmitterProblems(status.GetTransmitter())...)
	for _, backend := range status.GetBackends() {
		found = append(found, backendProblems(backend)...)
	}
	found = append(found, loadProblems(status.GetLoad())...)
	found = append(found, logProblems(status.GetLog())...)
	slices.SortStableFunc(found, func(a, b *statusv1.Problem) int { return cmp.Compare(a.GetSeverity(), b.GetSeverity()) })
	return found
}

// timestamp is the one of a field that may be absent.
type timestamp = *timestamppb.Timestamp

func issuerProblems(issuer *statusv1.IssuerStatus) (found []*statusv1.Problem) {
	const remedy = "Run ostiary doctor on this machine: it tells a wrong name, the network, a proxy, a certificate and an issuer that is down apart. The server goes on asking by itself."
	keys := &statusv1.Problem{Subject: issuer.GetIssuer(), Remedy: remedy, Cause: issuer.GetLastError(), SinceTime: issuer.GetFailingSinceTime()}
	switch {
	case !issuer.GetReady():
		keys.Severity, keys.ProblemId = severityFault, "issuer.no_keys"
		keys.What, keys.Why = "There are no usable keys of this issuer.", "Its tokens are refused with KEYS_UNAVAILABLE."
		if issuer.GetEssential() {
			keys.Why = "Its tokens are refused with KEYS_UNAVAILABLE, and the server is not ready."
		}
		found = append(found, keys)
	case issuer.GetFailingSinceTime() != nil:
		keys.Severity, keys.ProblemId = severityWarning, "issuer.keys_not_fetched"
		keys.What, keys.Why = "The keys of this issuer cannot be fetched again.", "Its tokens are verified with the keys from before, for 24 hours at most. Do not restart the server: it would have none."
		found = append(found, keys)
	}
	switch ahead := issuer.GetClockAhead().AsDuration().Round(time.Second); {
	case ahead > token.DefaultSkew:
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "clock.behind", Subject: issuer.GetIssuer(), What: fmt.Sprintf("The clock of this machine is %v behind that of the issuer.", ahead),
			Why: "New tokens are refused with TOKEN_NOT_YET_VALID, and expired ones are accepted for longer.", Remedy: "Set the clock right, as with NTP: timedatectl says whether it is synchronized.",
		})
	case -ahead > token.DefaultSkew:
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "clock.ahead", Subject: issuer.GetIssuer(), What: fmt.Sprintf("The clock of this machine is %v ahead of that of the issuer.", -ahead),
			Why: "Tokens are refused with TOKEN_EXPIRED before they expire.", Remedy: "Set the clock right, as with NTP: timedatectl says whether it is synchronized.",
		})
	}
	return found
}

func storeProblems(store *statusv1.StoreStatus) (found []*statusv1.Problem) {
	if store == nil {
		return nil
	}
	failing := &statusv1.Problem{
		Severity: severityFault, Subject: store.GetName(), Cause: store.GetLastError(), SinceTime: store.GetFailingSinceTime(),
		Remedy: "Bring the database back: see what the error names. The server goes on by itself, without a restart. ostiary doctor finds out more.",
	}
	switch store.GetState() {
	case statusv1.StoreState_STORE_STATE_FAILING:
		failing.ProblemId, failing.What = "store.failing", "The database does not answer."
		failing.Why = "Nothing can be revoked, and what other servers revoke is not known here. Tokens are verified as before."
		found = append(found, failing)
	case statusv1.StoreState_STORE_STATE_READ_ONLY:
		failing.ProblemId, failing.What = "store.read_only", "The database takes no writes."
		failing.Why = "Nothing can be revoked, and no session is recorded. Tokens are verified as before."
		found = append(found, failing)
	case statusv1.StoreState_STORE_STATE_OK, statusv1.StoreState_STORE_STATE_UNSPECIFIED:
	}
	full := &statusv1.Problem{Subject: store.GetName(), Why: "On a full disk nothing can be revoked.", Remedy: "Free space there, or make the disk larger. Logs are often what fills it."}
	switch bytes := store.GetFreeBytes(); {
	case store.GetNoInodes():
		full.Severity, full.ProblemId, full.What, full.Remedy = severityFault, "disk.no_inodes", "No further file can be made on the disk of the database.", "Remove files there."
		found = append(found, full)
	case store.FreeBytes == nil || bytes >= disk.GettingFull:
	case bytes < disk.NearlyFull:
		full.Severity, full.ProblemId, full.What = severityFault, "disk.full", fmt.Sprintf("The disk of the database has only %d MiB free.", bytes>>20)
		found = append(found, full)
	default:
		full.Severity, full.ProblemId, full.What = severityWarning, "disk.low", fmt.Sprintf("The disk of the database has only %d MiB free.", bytes>>20)
		found = append(found, full)
	}
	if n := store.GetLostSessionCount(); n > 0 {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "store.sessions_lost", What: fmt.Sprintf("%d sessions were seen and never recorded since the start, since there were too many.", n),
			Why: "They are not listed until they are seen again. Their tokens can be revoked.", Remedy: "See whether the database is slow or was away, and whether somebody signs in without pause.",
		})
	}
	return found
}

// certificateProblems looks at the certificate once: all addresses have the same.
func certificateProblems(status *statusv1.ServerStatus) (found []*statusv1.Problem) {
	at := slices.IndexFunc(status.GetListeners(), func(l *statusv1.Listener) bool { return l.GetCertificateExpireTime() != nil })
	if at < 0 {
		return nil
	}
	listener := status.GetListeners()[at]
	ends := listener.GetCertificateExpireTime().AsTime()
	const remedy = "Put a certificate and its key into the same files: new connections have them within seconds."
	expiry := &statusv1.Problem{Subject: listener.GetSetting(), Remedy: remedy, Cause: listener.GetCertificateError()}
	switch now := status.GetStatusTime().AsTime(); {
	case now.After(ends):
		expiry.Severity, expiry.ProblemId, expiry.What = severityFault, "tls.expired", "The TLS certificate has expired."
		expiry.Why, expiry.SinceTime = "Clients refuse the connection.", listener.GetCertificateExpireTime()
		found = append(found, expiry)
	case now.After(listener.GetCertificateRenewalDueTime().AsTime()):
		expiry.Severity, expiry.ProblemId, expiry.What = severityWarning, "tls.expires_soon", fmt.Sprintf("The TLS certificate expires at %s and was not renewed.", ends.UTC().Format(time.RFC3339))
		expiry.Why = "Clients refuse the connection from then on."
		found = append(found, expiry)
	case listener.GetCertificateError() != "":
		expiry.Severity, expiry.ProblemId, expiry.What = severityWarning, "tls.not_renewed", "The TLS certificate in the files cannot be used."
		expiry.Why = "The one from before is still in use, until it expires."
		found = append(found, expiry)
	}
	return found
}

func relayProblems(relay *statusv1.RelayStatus) (found []*statusv1.Problem) {
	if relay == nil {
		return nil
	}
	const remedy = "Run ostiary doctor on this machine: it says whether the hub is away, or refuses the secret. The relay goes on trying by itself."
	hub := &statusv1.Problem{Remedy: remedy, Cause: relay.GetLastError()}
	switch {
	case !relay.GetReady():
		hub.Severity, hub.ProblemId, hub.What, hub.Why = severityFault, "feed.not_caught_up", "This relay has not received the revocations of its hub.", "The server is not ready, since it does not know what is revoked."
	case relay.GetStale():
		hub.Severity, hub.ProblemId, hub.What, hub.Why = severityFault, "feed.stale", "The revocations of this relay are too old, or not complete.", "What was revoked lately may be accepted here and at its followers, or is refused with REVOCATIONS_STALE."
	case relay.GetConnectedHub() == "":
		hub.Severity, hub.ProblemId, hub.What, hub.Why = severityWarning, "feed.disconnected", "This relay is not connected to a hub.", "What is revoked now is not known here, nor at its followers."
	default:
		return nil
	}
	return append(found, hub)
}

func feedProblems(status *statusv1.ServerStatus) (found []*statusv1.Problem) {
	age := status.GetFeed().GetAge().AsDuration()
	if status.GetRelay() != nil || age <= oldRevocations || status.GetStore().GetState() == statusv1.StoreState_STORE_STATE_FAILING {
		return nil // it is said already
	}
	return append(found, &statusv1.Problem{
		Severity: severityFault, ProblemId: "feed.old", What: fmt.Sprintf("The revocations were last read %v ago.", age.Round(time.Second)),
		Why: "What other servers have revoked since is accepted here.", Remedy: "See whether the database is slow: the log says what fails.",
	})
}

func signalProblems(source *statusv1.SignalSourceStatus) (found []*statusv1.Problem) {
	refused, accepted := source.GetLastRefusedTime(), source.GetLastAcceptedTime()
	if refused != nil && later(refused, accepted) && later(refused, source.GetLastPollTime()) {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "signals.refused", Subject: source.GetSource(), What: "The last message of this source was refused, or has failed.",
			Why: "What it said has ended at the issuer may go on here. Or a stranger has sent it, as anybody can.", Remedy: "Compare the secret and the addresses in the settings with those at the sender. docs/signals.md says what each error means.",
			Cause: source.GetLastError(), SinceTime: refused,
		})
	}
	if stream := source.GetStream(); stream.GetFailing() || stream.GetStale() {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "signals.stream", Subject: source.GetSource(), What: "The stream of security events of this source is interrupted, or not verified.",
			Why: "What ends at the issuer may go on here until its tokens expire.", Remedy: "The log says what the transmitter has answered. It is asked again and again.",
		})
	}
	return found
}

// later reports whether a time is after another, which may be absent.
func later(t, than timestamp) bool { return than == nil || t.AsTime().After(than.AsTime()) }

func transmitterProblems(sent *statusv1.TransmitterStatus) (found []*statusv1.Problem) {
	if n := sent.GetFailingStreamCount(); n > 0 {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "transmitter.failing", What: fmt.Sprintf("%d of %d receivers of security events do not take them.", n, sent.GetStreamCount()),
			Why: "They do not know what was revoked here.", Remedy: "The log names the stream and what its receiver answers. Events are sent again and again.",
		})
	}
	return found
}

func backendProblems(backend *statusv1.BackendStatus) (found []*statusv1.Problem) {
	problem := &statusv1.Problem{Severity: severityWarning, Subject: backend.GetName(), Cause: backend.GetLastError(), SinceTime: backend.GetFailingSinceTime()}
	switch {
	case backend.GetFailingSinceTime() != nil:
		problem.ProblemId, problem.What = "backend.schema_not_read", "This backend does not send its schema."
		problem.Why = "Its rules are not shown, and its methods cannot be tried on the console."
		if backend.GetServiceCount() > 0 {
			problem.Why = "The console shows the schema that it sent last, which may be another by now."
		}
		problem.Remedy = "See that it runs at the address of the settings, and that its gRPC reflection is on and needs no token; or name an image instead. It is asked again by itself."
	case backend.GetLastError() != "":
		problem.ProblemId, problem.What = "backend.rules", "The rules in the schema of this backend cannot be used."
		problem.Why, problem.Remedy = "They are not shown. Its methods can be tried.", "Correct its schema: ostiary policy check --image FILE says what is wrong with an image of it."
	default:
		return nil
	}
	return append(found, problem)
}

func loadProblems(load *statusv1.Load) (found []*statusv1.Problem) {
	const remedy = "Find the client that opens and does not close. Behind a proxy, see that its address is in trusted_proxies. Then raise the bound, if there is memory."
	for _, bound := range []struct {
		id, what, why string
		open, most    int64
	}{
		{"load.connections", "connections", "One more than that is closed at once.", load.GetConnectionCount(), load.GetMaxConnectionCount()},
		{"load.streams", "streams", "One more than that is refused with TOO_MANY_STREAMS.", load.GetStreamCount(), load.GetMaxStreamCount()},
	} {
		if bound.most > 0 && float64(bound.open) >= nearlyAll*float64(bound.most) {
			found = append(found, &statusv1.Problem{
				Severity: severityWarning, ProblemId: bound.id, What: fmt.Sprintf("%d of %d %s are open.", bound.open, bound.most, bound.what), Why: bound.why, Remedy: remedy,
			})
		}
	}
	return found
}

func logProblems(log *statusv1.LogStatus) (found []*statusv1.Problem) {
	if n := log.GetDroppedLineCount(); n > 0 {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "log.dropped", What: fmt.Sprintf("%d lines of the log were dropped since the start.", n),
			Why: "They were not read in time. Calls do not wait for them.", Remedy: "Mend what collects the log, or its disk.",
		})
	}
	if log.GetDecisionsFailing() {
		found = append(found, &statusv1.Problem{
			Severity: severityWarning, ProblemId: "decisions.failing", Subject: log.GetDecisionsOutput(), What: "Records of decisions cannot be written.",
			Why: "They are lost. Calls go on.", Remedy: "Free the disk. The log says what fails.",
		})
	}
	return found
}
