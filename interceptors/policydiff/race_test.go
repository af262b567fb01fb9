//go:build race

package policydiff_test

// Under the race detector, which makes it ten times slower and has little to find
// in it, the oracle decides fewer pairs.
const oracleDefault = 1_000
