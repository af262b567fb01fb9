package revocation_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A token that was never revoked is never refused while others are being revoked.
func TestNobodyElseIsRevokedWhileTheListChanges(t *testing.T) {
	t.Parallel()
	list := revocation.New(revocation.Config{})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for reader := range 4 {
		ids := make([]*auth.Identity, 64)
		for i := range ids {
			ids[i] = &auth.Identity{
				Issuer: "https://issuer", Subject: "user_eve", Kind: auth.KindSession,
				SessionID: fmt.Sprintf("other_%d_%d", reader, i), IssuedAt: time.Now(),
			}
		}
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, id := range ids {
					if err := list.Revoked(id); err != nil {
						t.Errorf("%s, which nobody revoked: %v", id.SessionID, err)
						return
					}
				}
			}
		})
	}
	for i := range 30_000 {
		err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://issuer", ID: fmt.Sprint("sess_", i)})
		if err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	readers.Wait()
}
