package server

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

func TestAPageTokenIsReadAsThePlaceItWasMadeOf(t *testing.T) {
	t.Parallel()
	for _, want := range []sessionPlace{{}, {FirstSeen: -1, Issuer: "https://clerk.example.com", ID: "sess_1", Subject: "user_ada"}, {ID: "\x00\"ü"}} {
		got, err := readPageToken[sessionPlace](must(pageToken(want)))
		if err != nil || got != want {
			t.Errorf("%+v, error %v; want %+v", got, err, want)
		}
	}
}

func FuzzReadPageToken(f *testing.F) {
	f.Add(must(pageToken(sessionPlace{1, "https://clerk.example.com", "sess_1", "user_ada"})))
	f.Add(must(pageToken(revocationPlace{1 << 62})))
	f.Add("")
	f.Add("eyJ0IjoxfQ")
	f.Add("e30e30")
	f.Add(strings.Repeat("A", maxPageToken+1))
	f.Fuzz(func(t *testing.T, token string) {
		place, err := readPageToken[sessionPlace](token)
		if err != nil {
			if connect.CodeOf(err) != connect.CodeInvalidArgument || place != (sessionPlace{}) {
				t.Errorf("%+v, %v", place, err)
			}
			return
		}
		if again, err := readPageToken[sessionPlace](must(pageToken(place))); err != nil || again != place {
			t.Errorf("%+v became %+v, error %v", place, again, err)
		}
	})
}

func TestAPageIsAsLargeAsItMayBe(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	const n = 1001
	if _, err := send(t, r.revocations(t, otto), rowsOf("sess_", n)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[int32]int{0: 100, 1: 1, 999: 999, 1000: 1000} {
		res, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: asked})
		if err != nil || len(res.GetRevocations()) != want || res.GetNextPageToken() == "" {
			t.Errorf("a page of %d: %d, next %q, error %v; want %d, and that there are more", asked, len(res.GetRevocations()), res.GetNextPageToken(), err, want)
		}
	}
	for _, asked := range []int32{-1, 1001} {
		_, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: asked})
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_size: ask for 1 to 1000") {
			t.Errorf("a page of %d: %v; want invalid argument", asked, err)
		}
	}
	// The last page is as full as the others, and says that it is the last.
	first, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: n - 500})
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 500, PageToken: first.GetNextPageToken()})
	if err != nil || len(last.GetRevocations()) != 500 || last.GetNextPageToken() != "" {
		t.Errorf("the last page has %d, next %q, error %v", len(last.GetRevocations()), last.GetNextPageToken(), err)
	}
}

// A page token that is none must not begin again with the first page, which a
// client would then read for ever.
func TestABadPageTokenIsNotTheFirstPage(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	ofSessions := must(pageToken(sessionPlace{1, r.issuer.URL(), "sess_1", "user_ada"}))
	ofRevocations := must(pageToken(revocationPlace{1}))
	for protocol, tr := range r.transports() {
		for _, token := range []string{
			"!", "e30e30", ofSessions, ofRevocations + "e30", ofRevocations + "=", "eyJuIjoiMSJ9", "eyJuIjoxLCJ4IjoxfQ",
			strings.Repeat("A", maxPageToken+1),
		} {
			res, err := tr.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: token})
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_token: not one of this method") {
				t.Errorf("ListRevocations from %.20q over %s: %v, error %v; want invalid argument", token, protocol, res, err)
			}
		}
		for _, token := range []string{"!", "e30e30", ofRevocations, ofSessions + "e30", ofSessions + "=", strings.Repeat("A", maxPageToken+1)} {
			res, err := tr.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageToken: token})
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_token: not one of this method") {
				t.Errorf("ListSessions from %.20q over %s: %v, error %v; want invalid argument", token, protocol, res, err)
			}
		}
	}
}
