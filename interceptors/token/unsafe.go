package token

import "unsafe"

// A token is hashed, decoded and verified as bytes, and its claims are kept as
// strings. Copying between the two would cost more than all the parsing; these
// two conversions share the memory instead. They are right only because nobody
// writes to a byte that a string shares: bytesOf's result is only read, and
// stringOf's argument is given up by its owner.

func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

func stringOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
