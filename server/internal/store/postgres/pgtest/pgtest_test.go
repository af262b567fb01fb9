package pgtest_test

import (
	"testing"

	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

func TestAServerIsKilledStartedAndReplacedByItsStandby(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Execute(t, "postgres", "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (1)")
	primary.Kill(t)
	primary.Start(t)
	standby := primary.Standby(t, pgserver.Synchronous)
	primary.Execute(t, "postgres", "INSERT INTO kept VALUES (2)")
	primary.Kill(t)
	standby.Promote(t)
	standby.Execute(t, "postgres", "INSERT INTO kept VALUES (3); SELECT 1 / (count(*) / 3) FROM kept")
}
