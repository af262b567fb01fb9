// Package disk says how much space is left where files are written.
//
//	bytes, files, err := disk.Free("/var/lib/ostiary")
//	full := err == nil && (bytes < disk.NearlyFull || files == 0)
package disk

// How many bytes are free when something must be done at once, and when it should be done soon.
const (
	NearlyFull  = 32 << 20
	GettingFull = 256 << 20
)
