package authtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestOutages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		outage authtest.Outage
		status int   // 0 for none
		err    error // of the request, or of reading the body
		body   func(good string) string
	}{
		{
			name:   "Refuse closes the connection",
			outage: authtest.Refuse,
			err:    io.EOF,
		},
		{
			name:   "Status answers with the status and the good document",
			outage: authtest.Status(http.StatusInternalServerError),
			status: http.StatusInternalServerError,
			body:   func(good string) string { return good },
		},
		{
			name:   "HTML answers with a page",
			outage: authtest.HTML,
			status: http.StatusOK,
			body: func(string) string {
				return "<!doctype html><title>Back soon</title><p>We are down for maintenance."
			},
		},
		{
			name:   "Truncated sends half of the document",
			outage: authtest.Truncated,
			status: http.StatusOK,
			err:    io.ErrUnexpectedEOF,
			body:   func(good string) string { return good[:len(good)/2] },
		},
		{
			name:   "EmptyObject answers an empty object",
			outage: authtest.EmptyObject,
			status: http.StatusOK,
			body:   func(string) string { return `{}` },
		},
		{
			name:   "EmptyKeys answers a set without keys",
			outage: authtest.EmptyKeys,
			status: http.StatusOK,
			body:   func(string) string { return `{"keys":[]}` },
		},
		{
			name:   "UnknownKeyTypesOnly answers a key that nobody can use",
			outage: authtest.UnknownKeyTypesOnly,
			status: http.StatusOK,
			body: func(string) string {
				return `{"keys":[{"kty":"QUANTUM","kid":"ins_q","use":"sig","alg":"QS256","q":"AQAB"}]}`
			},
		},
		{
			name:   "TooLarge answers the good document and four mebibytes",
			outage: authtest.TooLarge,
			status: http.StatusOK,
			body:   func(good string) string { return strings.Repeat(" ", 4<<20) + good },
		},
		{
			name:   "TrailingGarbage answers the good document and a comment",
			outage: authtest.TrailingGarbage,
			status: http.StatusOK,
			body:   func(good string) string { return good + "<!-- cached -->" },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			iss := authtest.Start(t)
			good, err := get(t, iss.JWKSURL())
			if err != nil {
				t.Fatal(err)
			}
			iss.Fail(test.outage)
			got, err := get(t, iss.JWKSURL())
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if got.status != test.status {
				t.Errorf("status %d, want %d", got.status, test.status)
			}
			if test.body != nil && got.body != test.body(good.body) {
				t.Errorf("body of %d bytes: %.200s", len(got.body), got.body)
			}
			iss.Restore()
			if got, err := get(t, iss.JWKSURL()); err != nil || got.body != good.body {
				t.Errorf("after the outage: %v, %s", err, got.body)
			}
			if got := iss.Fetches(); got != 3 {
				t.Errorf("%d fetches were counted, want 3", got)
			}
		})
	}
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(iss *authtest.Issuer, cancel context.CancelFunc)
		want error
	}{
		{
			name: "ends without an answer when the outage does",
			end:  func(iss *authtest.Issuer, _ context.CancelFunc) { iss.Restore() },
			want: io.EOF,
		},
		{
			name: "ends without an answer when another outage begins",
			end:  func(iss *authtest.Issuer, _ context.CancelFunc) { iss.Fail(authtest.EmptyKeys) },
			want: io.EOF,
		},
		{
			name: "ends when the caller gives up",
			end:  func(_ *authtest.Issuer, cancel context.CancelFunc) { cancel() },
			want: context.Canceled,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			iss := authtest.Start(t)
			arrived := make(chan struct{})
			iss.Fail(func(w http.ResponseWriter, r *http.Request, document []byte) {
				close(arrived)
				authtest.Hang(w, r, document)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			client := client(t)
			answer := make(chan error, 1)
			go func() {
				_, err := send(ctx, client, http.MethodGet, iss.JWKSURL(), nil)
				answer <- err
			}()
			<-arrived
			test.end(iss, cancel)
			if err := <-answer; !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestAHangingIssuerStopsWithItsTest(t *testing.T) { //nolint:tparallel // waits for the inner test to end
	t.Parallel()
	client := client(t)
	arrived, answer := make(chan struct{}), make(chan error, 1)
	t.Run("the test that ends", func(t *testing.T) {
		iss := authtest.Start(t)
		iss.Fail(func(w http.ResponseWriter, r *http.Request, document []byte) {
			close(arrived)
			authtest.Hang(w, r, document)
		})
		go func() {
			_, err := send(context.Background(), client, http.MethodGet, iss.JWKSURL(), nil) //nolint:usetesting // outlives the inner test
			answer <- err
		}()
		<-arrived
	})
	if err := <-answer; !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want %v", err, io.EOF)
	}
}
