package auth

import (
	"context"
	"errors"
	"reflect"
)

// User returns the application's own user, which [Guard.LoadUser] has loaded for the
// caller; in a stream that was renewed, the one loaded last. It reports false where
// there is none: without LoadUser, for an anonymous caller, and where the user is of
// another type than T.
func User[T any](ctx context.Context) (T, bool) {
	var user any
	if a, _ := ctx.Value(contextKey{}).(*admitted); a != nil {
		user = a.currentUser()
	}
	typed, ok := user.(T)
	return typed, ok
}

// NewUserContext returns a context that carries the identity and the application's user,
// for tests of handlers. Otherwise it is as [NewContext].
func NewUserContext(ctx context.Context, id *Identity, user any) context.Context {
	return &admitted{Context: ctx, identity: id, user: user}
}

// loadUser returns the user of an identity, or why the call is refused; nil without
// LoadUser.
func (g *Guard) loadUser(ctx *admitted, id *Identity) (user any, refusal *Error) {
	if g.LoadUser == nil {
		return nil, nil
	}
	user, err := g.LoadUser(ctx, id)
	if err == nil && isNil(user) {
		err = NewError(UserUnknown, nil)
	}
	if err == nil {
		return user, nil
	}
	refusal = AsError(err)
	_, chosen := ReasonOf(err)
	if !chosen {
		refusal = Errorf(AuthFailure, "load the user: %w", refusal.Cause)
	}
	if ended := ctx.Err(); ended != nil && (!chosen || refusal.Reason == UserUnavailable) {
		refusal = &Error{Reason: UserUnavailable, Message: refusal.Message, Cause: refusal.Cause, ended: CodeCanceled}
		if errors.Is(ended, context.DeadlineExceeded) {
			refusal.ended = CodeDeadlineExceeded
		}
	}
	return nil, refusal
}

// isNil reports whether there is no user: a nil pointer or map in an interface is none either.
func isNil(user any) bool {
	v := reflect.ValueOf(user)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return v.IsNil()
	default:
		return false
	}
}

// currentUser returns the user of the identity that counts now.
func (a *admitted) currentUser() any {
	if a.stream != nil {
		if user, renewed := a.stream.renewedUser(); renewed {
			return user
		}
	}
	return a.user
}

// renewedUser returns the user of the identity that renewed the stream, and whether
// there was one.
func (s *Stream) renewedUser() (user any, renewed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user, s.current != s.admitted.identity
}
