package auth

// Revocations says which tokens no longer count although they are valid by
// themselves. revocation.List is one. It must be safe for concurrent use, and
// Revoked quick: it is asked about every call.
type Revocations interface {
	// Revoked returns nil, or an *Error, mostly TokenRevoked.
	Revoked(id *Identity) error
	// Watch has changed called whenever Revoked may answer otherwise than before,
	// until stop is called. Open streams are then asked about again, so that
	// they end at once.
	Watch(changed func()) (stop func())
}
