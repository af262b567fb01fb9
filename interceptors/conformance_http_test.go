package interceptors_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// httpTransports are ordinary handlers, over both versions of HTTP.
func httpTransports() []transport {
	var all []transport
	for _, version := range []string{"HTTP 1.1", "HTTP 2"} {
		all = append(all, transport{
			name: "net/http, " + version,
			start: func(t *testing.T, guard *auth.Guard, s *service) caller {
				mux := http.NewServeMux()
				for name := range rules {
					at := procedure(name, plain)
					mux.Handle("POST "+at, httpauth.Protect(guard, at, handleHTTP(s)))
				}
				return httpCaller(newHTTPClient(t, version), serveHTTP(t, mux))
			},
			decodeError: http.StatusText(http.StatusBadRequest),
			decodesLate: true,
		})
	}
	return all
}

func handleHTTP(s *service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ran.Add(1)
		in := new(text)
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, in)
		}
		if err != nil {
			http.Error(w, "the message cannot be decoded", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, s.say(r.Context(), in.GetValue()))
	})
}

// httpCaller reads a refusal with connect's own client, since its body claims to
// be that of a Connect error.
func httpCaller(client *http.Client, url string) caller {
	return func(ctx context.Context, a attempt) outcome {
		ctx = context.WithValue(ctx, holdKey{}, a.hold)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+procedure(a.service, plain)+"?"+a.query, bytes.NewReader(a.body))
		if err != nil {
			return outcome{code: "none: " + err.Error()}
		}
		for name, values := range a.header {
			req.Header[name] = values
		}
		res, err := client.Do(req)
		if err != nil {
			return outcome{code: "none: " + err.Error()}
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return readRefusal(ctx, res, url)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return outcome{code: "none: " + err.Error()}
		}
		return outcome{reply: string(body)}
	}
}

// readRefusal reads a response that is a refusal, or another error.
func readRefusal(ctx context.Context, res *http.Response, url string) outcome {
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return outcome{code: "none: " + err.Error()}
	case res.Header.Get("Content-Type") != "application/json":
		return outcome{code: http.StatusText(res.StatusCode), text: string(body)}
	}
	everything := fmt.Sprint(res.Header, string(body))
	res.Body = io.NopCloser(bytes.NewReader(body))
	_, err = connect.NewClient[encoded, text](answered{res}, url, connect.WithCodec(passThrough{})).
		CallUnary(ctx, connect.NewRequest(&encoded{}))
	got := connectOutcome("", err)
	got.text += everything
	return got
}

// answered is a client whose answer is there already.
type answered struct{ res *http.Response }

func (a answered) Do(*http.Request) (*http.Response, error) { return a.res, nil }
