package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

func TestKeepAliveKeepsAStreamAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		advice := func(error) authclient.Advice { return authclient.GiveUp }
		w := newWorld(t, streamRule{})
		opened := time.Now()
		ended := w.serve(token(0), idle)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_ = authclient.Retry{Advice: advice}.KeepAlive(ctx, func(context.Context) (time.Time, error) {
			id := token(0)
			w.ping(id)
			return id.ExpiresAt, nil
		})
		if err := <-ended; err == nil {
			t.Error("the stream ended without an error")
		}
		if lived := time.Since(opened); lived < time.Hour {
			t.Errorf("the stream lived for %v; want it to outlive %v", lived, time.Hour)
		}
	})
}
