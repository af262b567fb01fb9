package server

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
)

func TestAPageTokenComesBackAsThePlaceItIsOf(t *testing.T) {
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
