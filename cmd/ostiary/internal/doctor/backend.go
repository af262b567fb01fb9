package doctor

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/server/settings"
)

// backend asks another server for its schema, as the server does. A schema in a file is one of the
// settings.
func (p *patient) backend(ctx context.Context, backend settings.Backend) []Finding {
	if backend.Reflection == "" || backend.Image != "" || p.Settings.HasFault("backends") {
		return nil
	}
	services, err := backend.Services(ctx)
	if err != nil {
		return []Finding{warning("backend.schema_not_read", backend.Name, fmt.Sprintf("%s does not send a schema that can be used: %v", backend.Reflection, err),
			"its rules are not shown on the console, and its methods cannot be tried there", "see that the server runs, and that its gRPC reflection is on and needs no token; or name an image of the schema instead")}
	}
	return []Finding{ok("backend.schema", backend.Name, fmt.Sprintf("%s has sent the schema of %s", backend.Reflection, terminal.Count(len(services), "service")))}
}
