//go:build !race

package policydiff_test

const oracleDefault = 10_000
