package devissuer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/devissuer"
)

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	url := start(t)
	const shape = `send one object like {"as":"ada","ttl":"1h","claims":{}}: `
	for _, test := range []struct {
		name, contentType, body string
		status                  int
		want                    string
	}{
		{
			name: "a form is refused, which a page from elsewhere could send", contentType: "application/x-www-form-urlencoded",
			body: `as=ada`, status: 415, want: "send JSON: Content-Type: application/json",
		},
		{
			name: "plain text is refused, which a page from elsewhere could send", contentType: "text/plain",
			body: `{"as":"ada"}`, status: 415, want: "send JSON: Content-Type: application/json",
		},
		{
			name: "an unknown persona is answered with the list of personas",
			body: `{"as":"eve"}`, status: 404, want: `unknown persona "eve": use one of ada, ben, cleo, olga, robo`,
		},
		{
			name: "a persona must be named",
			body: `{}`, status: 404, want: `unknown persona "": use one of ada, ben, cleo, olga, robo`,
		},
		{
			name: "an unknown field is refused",
			body: `{"as":"ada","role":"owner"}`, status: 400, want: shape + `json: unknown field "role"`,
		},
		{
			name: "claims must be an object",
			body: `{"as":"ada","claims":[]}`, status: 400,
			want: shape + "json: cannot unmarshal array into Go struct field ask.claims of type map[string]json.RawMessage",
		},
		{
			name: "a second object is refused",
			body: `{"as":"ada"}{}`, status: 400, want: shape + "there is something behind the object",
		},
		{
			name: "exp is set by ttl",
			body: `{"as":"ada","claims":{"exp":9999999999}}`, status: 400, want: "set ttl and not the claim exp",
		},
		{
			name: "a lifetime under a second is refused",
			body: `{"as":"ada","ttl":"999ms"}`, status: 400, want: `ttl "999ms": use a duration from 1s to 24h0m0s, such as 1h or 90s`,
		},
		{
			name: "a lifetime over a day is refused",
			body: `{"as":"ada","ttl":"24h1s"}`, status: 400, want: `ttl "24h1s": use a duration from 1s to 24h0m0s, such as 1h or 90s`,
		},
		{
			name: "a lifetime without a unit is refused",
			body: `{"as":"ada","ttl":"60"}`, status: 400, want: `ttl "60": use a duration from 1s to 24h0m0s, such as 1h or 90s`,
		},
		{
			name: "a body over 64 KiB is refused",
			body: `{"as":"ada","claims":{"x":"` + strings.Repeat("x", 64<<10) + `"}}`, status: 413,
			want: "the request is over 65536 bytes: send fewer claims",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodPost, url+"/dev/token", test.body)
			if test.contentType != "" {
				request.Header.Set("Content-Type", test.contentType)
			}
			isRefused(t, request, test.status, test.want)
		})
	}
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"as":"ada","ttl":"1h","claims":{"azp":"http://localhost:3000"}}`))
	f.Add([]byte(`{"as":"robo","claims":{"iat":null,"sub":{"a":[1e999,"\ud800"]}}}`))
	f.Add([]byte(`{"as":"ada","claims":{"":"\xff"}}`))
	f.Add([]byte(`null`))
	issuer, err := devissuer.New("http://localhost:8080")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:8080/dev/token", strings.NewReader(string(body)))
		request.RemoteAddr = "127.0.0.1:54321"
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		issuer.ServeHTTP(recorder, request)
		switch recorder.Code {
		case http.StatusOK:
			var answer struct{ Token string }
			if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || strings.Count(answer.Token, ".") != 2 {
				t.Errorf("%s: %v", recorder.Body, err)
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("status %d", recorder.Code)
		}
	})
}

func isRefused(t *testing.T, request *http.Request, wantStatus int, want string) {
	t.Helper()
	status, body := call(t, request)
	var fault struct{ Error string }
	if err := json.Unmarshal([]byte(body), &fault); err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if status != wantStatus || fault.Error != want {
		t.Errorf("%d %q, want %d %q", status, fault.Error, wantStatus, want)
	}
}
