package server

import "github.com/ostiary/ostiary/server/internal/rpcerror"

// The sizes of a page.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// pageSize returns how many rows a page has. A page_size that is negative is added to
// the faults.
func pageSize(asked int32, faults *rpcerror.Violations) int {
	switch {
	case asked < 0:
		faults.Add("page_size", "must not be negative; leave it out for %d", defaultPageSize)
		return 0
	case asked == 0:
		return defaultPageSize
	default:
		return int(min(asked, maxPageSize))
	}
}
