package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
)

// revoke holds what the commands that revoke have in common.
type revoke struct {
	caller

	issuer, cause, requestID string
	current                  bool
	named                    bool // whether there is an argument, even an empty one
}

// addFlags adds the flags for a command that revokes a session or a subject.
func (r *revoke) addFlags(cmd *cobra.Command, what string) {
	r.caller.addFlags(cmd)
	cmd.Flags().BoolVar(&r.current, "current", false, "the "+what+" of the token used for this call")
	cmd.Flags().StringVar(&r.issuer, "issuer", "", "`issuer` of the "+what+" (default: that of your token)")
	cmd.Flags().StringVar(&r.cause, "cause", "", "`reason` to record with the revocation")
	cmd.Flags().StringVar(&r.requestID, "request-id", "", "`id` of an earlier try of the same command, which is not done twice then (default: a new one)")
}

// atMostOne refuses more than one argument.
func atMostOne(args []string, noun string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("%s given; end one at a time", countOf(len(args), noun))}
	}
	return nil
}

// checkNamed says what is wrong where not just one of the argument and --current is given.
func (r *revoke) checkNamed(name, noun string) error {
	switch {
	case r.named && r.current:
		return fmt.Errorf("a %s and --current are both given; keep one of them", noun)
	case r.named && name == "":
		return fmt.Errorf("the %s is empty; name one, or give --current for your own", noun)
	case !r.named && !r.current:
		return fmt.Errorf("name one %s, or give --current for your own; for the %[1]ss, run: ostiary session list", noun)
	default:
		return nil
	}
}

// newRequestID returns that of the flag, or one that nobody has used.
func (r *revoke) newRequestID() string {
	if r.requestID != "" {
		return r.requestID
	}
	return rand.Text()
}

// issuerOr returns the issuer of the flag, or that of the caller.
func (r *revoke) issuerOr(ctx context.Context, clients clients) (string, error) {
	if r.issuer != "" {
		return r.issuer, nil
	}
	res, err := clients.identity.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
	return res.GetIdentity().GetIssuer(), err
}

const (
	maxTries     = 3
	defaultDelay = time.Second
	maxDelay     = 10 * time.Second
)

// retry calls try again while the server cannot answer. All tries have the same request
// ID, so that one that succeeded without an answer is not done again.
func (r *revoke) retry(ctx context.Context, requestID string, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if connect.CodeOf(err) != connect.CodeUnavailable || err == nil || unreachable(err) {
			return err
		}
		if n == maxTries {
			return fmt.Errorf("%w; the revocation may have been made or not: to find out, run the same command with --request-id %s", r.explain(err), requestID)
		}
		select {
		case <-time.After(retryDelay(err)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// retryDelay returns how long the server asks to wait.
func retryDelay(err error) time.Duration {
	var received *connect.Error
	if errors.As(err, &received) {
		if info := detailOf[*errdetails.RetryInfo](received); info != nil {
			return min(max(info.GetRetryDelay().AsDuration(), 0), maxDelay)
		}
	}
	return defaultDelay
}
