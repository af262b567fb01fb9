package auth

import "context"

// CurrentIdentity returns the identity of the caller as it is now. It is FromContext's,
// except in a stream that another call of the same session has renewed since: then
// it is the newest token's.
func CurrentIdentity(ctx context.Context) (*Identity, bool) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil {
		return nil, false
	}
	id := a.current()
	return id, id != nil
}

// WatchIdentity returns the identity of the caller as it is now, and a channel that is
// closed when it changes:
//
//	for {
//		id, changed := auth.WatchIdentity(ctx)
//		// ...
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return context.Cause(ctx)
//		}
//	}
//
// The identity is nil when there is none. The channel is nil, and so never
// ready, where the identity cannot change.
func WatchIdentity(ctx context.Context) (*Identity, <-chan struct{}) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	switch {
	case a == nil:
		return nil, nil
	case a.stream == nil:
		return a.identity, nil
	default:
		return a.stream.watch()
	}
}
