package refusal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/refusal"
)

// chosen is an error by which a handler chooses what to send.
type chosen struct{ cause error }

func (c *chosen) Error() string { return "chosen" }
func (c *chosen) Unwrap() error { return c.cause }

func TestTheRefusalInAnErrorIsSentUnlessTheHandlerChose(t *testing.T) {
	t.Parallel()
	expired := auth.NewError(auth.TokenExpired, nil)
	var none *auth.Error
	for name, tt := range map[string]struct {
		err  error
		want auth.Reason
		sent bool
	}{
		"no error":                             {nil, 0, false},
		"an error without a refusal":           {errors.New("disk full"), 0, false},
		"a refusal":                            {expired, auth.TokenExpired, true},
		"a wrapped refusal":                    {fmt.Errorf("look up: %w", expired), auth.TokenExpired, true},
		"a refusal within a chosen error":      {&chosen{expired}, 0, false},
		"a chosen error that caused a refusal": {auth.NewError(auth.ConditionNotMet, &chosen{}), auth.ConditionNotMet, true},
		"a nil refusal as an error":            {none, auth.AuthFailure, true},
	} {
		got, sent := refusal.In[*chosen](tt.err)
		if sent != tt.sent || sent && got.Reason != tt.want {
			t.Errorf("%s: %v, %t; want %v, %t", name, got, sent, tt.want, tt.sent)
		}
	}
}
