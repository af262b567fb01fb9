package problem

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
)

func TestProblemsAreFoundInTheStatus(t *testing.T) {
	t.Parallel()
	now := timestamppb.Now()
	before := timestamppb.New(now.AsTime().Add(-time.Hour))
	const ok = statusv1.StoreState_STORE_STATE_OK
	for name, test := range map[string]struct {
		status *statusv1.ServerStatus
		want   []string
	}{
		"nothing":                      {&statusv1.ServerStatus{}, []string{}},
		"a server that is stopping":    {&statusv1.ServerStatus{Readiness: statusv1.Readiness_READINESS_STOPPING}, []string{"server.stopping"}},
		"keys that cannot be fetched":  {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true, FailingSinceTime: before}}}, []string{"issuer.keys_not_fetched"}},
		"keys of the settings":         {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true}}}, []string{}},
		"a clock that is behind":       {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true, ClockAhead: durationpb.New(time.Minute)}}}, []string{"clock.behind"}},
		"a clock that is ahead":        {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true, ClockAhead: durationpb.New(-time.Minute)}}}, []string{"clock.ahead"}},
		"a clock within the tolerance": {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true, ClockAhead: durationpb.New(3 * time.Second)}}}, []string{}},
		"a database without writes":    {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: statusv1.StoreState_STORE_STATE_READ_ONLY}}, []string{"store.read_only"}},
		"a disk that is full":          {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok, FreeBytes: new(int64(1 << 20))}}, []string{"disk.full"}},
		"a disk that gets full":        {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok, FreeBytes: new(int64(100 << 20))}}, []string{"disk.low"}},
		"a disk with space":            {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok, FreeBytes: new(int64(1 << 40))}}, []string{}},
		"a disk without inodes":        {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok, FreeBytes: new(int64(1 << 40)), NoInodes: true}}, []string{"disk.no_inodes"}},
		"sessions that were lost":      {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok, LostSessionCount: 3}}, []string{"store.sessions_lost"}},
		"a certificate that is not renewed": {&statusv1.ServerStatus{StatusTime: now, Listeners: []*statusv1.Listener{
			{CertificateExpireTime: timestamppb.New(now.AsTime().Add(90 * 24 * time.Hour)), CertificateRenewalDueTime: timestamppb.New(now.AsTime().Add(76 * 24 * time.Hour)), CertificateError: "no such file"},
		}}, []string{"tls.not_renewed"}},
		"a relay that has nothing":            {&statusv1.ServerStatus{Relay: &statusv1.RelayStatus{}}, []string{"feed.not_caught_up"}},
		"a relay whose copy is old":           {&statusv1.ServerStatus{Relay: &statusv1.RelayStatus{Ready: true, Stale: true}}, []string{"feed.stale"}},
		"a relay that is connected":           {&statusv1.ServerStatus{Relay: &statusv1.RelayStatus{Ready: true, ConnectedHub: "https://hub.example.com"}}, []string{}},
		"old revocations":                     {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: ok}, Feed: &statusv1.FeedStatus{Age: durationpb.New(2 * time.Minute)}}, []string{"feed.old"}},
		"a message that was refused":          {&statusv1.ServerStatus{SignalSources: []*statusv1.SignalSourceStatus{{LastRefusedTime: now, LastAcceptedTime: before}}}, []string{"signals.refused"}},
		"a message that was accepted since":   {&statusv1.ServerStatus{SignalSources: []*statusv1.SignalSourceStatus{{LastRefusedTime: before, LastAcceptedTime: now}}}, []string{}},
		"a source that answers again":         {&statusv1.ServerStatus{SignalSources: []*statusv1.SignalSourceStatus{{LastRefusedTime: before, LastPollTime: now}}}, []string{}},
		"a stream that is not verified":       {&statusv1.ServerStatus{SignalSources: []*statusv1.SignalSourceStatus{{Stream: &statusv1.SignalStreamStatus{Stale: true}}}}, []string{"signals.stream"}},
		"a receiver that takes no events":     {&statusv1.ServerStatus{Transmitter: &statusv1.TransmitterStatus{StreamCount: 2, FailingStreamCount: 1}}, []string{"transmitter.failing"}},
		"many connections":                    {&statusv1.ServerStatus{Load: &statusv1.Load{ConnectionCount: 90, MaxConnectionCount: 100}}, []string{"load.connections"}},
		"some streams":                        {&statusv1.ServerStatus{Load: &statusv1.Load{StreamCount: 89, MaxStreamCount: 100}}, []string{}},
		"lines of the log that were dropped":  {&statusv1.ServerStatus{Log: &statusv1.LogStatus{DroppedLineCount: 1}}, []string{"log.dropped"}},
		"decisions that cannot be written":    {&statusv1.ServerStatus{Log: &statusv1.LogStatus{DecisionsFailing: true}}, []string{"decisions.failing"}},
		"faults before warnings":              {&statusv1.ServerStatus{Issuers: []*statusv1.IssuerStatus{{Ready: true, FailingSinceTime: before}, {}}}, []string{"issuer.no_keys", "issuer.keys_not_fetched"}},
		"a database that fails and is behind": {&statusv1.ServerStatus{Store: &statusv1.StoreStatus{State: statusv1.StoreState_STORE_STATE_FAILING}, Feed: &statusv1.FeedStatus{Age: durationpb.New(time.Hour)}}, []string{"store.failing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Find(test.status)
			got := make([]string, len(found))
			for i, problem := range found {
				got[i] = problem.GetProblemId()
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q; want %q", got, test.want)
			}
			for _, problem := range found {
				for _, sentence := range []string{problem.GetWhat(), problem.GetWhy(), problem.GetRemedy()} {
					if !strings.HasSuffix(sentence, ".") {
						t.Errorf("%s: %q is no sentence", problem.GetProblemId(), sentence)
					}
				}
			}
		})
	}
}
