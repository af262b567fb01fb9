// Package invoice is a service like any other. Who may call it is not its affair: by the
// time that a method runs, the guard has decided.
package invoice

import (
	"context"

	invoicev1 "github.com/ostiary/ostiary/examples/gen/acme/invoice/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// Service implements InvoiceService, for connect-go and for grpc-go.
type Service struct {
	invoicev1.UnimplementedInvoiceServiceServer
}

// ListInvoices returns the caller's invoices.
func (Service) ListInvoices(ctx context.Context, _ *invoicev1.ListInvoicesRequest) (*invoicev1.ListInvoicesResponse, error) {
	caller := auth.MustFromContext(ctx) // caller.Subject, caller.Organization, caller.HasPermission("invoices:delete") …
	return &invoicev1.ListInvoicesResponse{Customer: caller.Subject, InvoiceIds: []string{"inv_1"}}, nil
}

// GetPrices tells everybody what an invoice costs.
func (Service) GetPrices(context.Context, *invoicev1.GetPricesRequest) (*invoicev1.GetPricesResponse, error) {
	return &invoicev1.GetPricesResponse{CentsPerInvoice: 50}, nil
}

// DeleteInvoice deletes nothing.
func (Service) DeleteInvoice(context.Context, *invoicev1.DeleteInvoiceRequest) (*invoicev1.DeleteInvoiceResponse, error) {
	return &invoicev1.DeleteInvoiceResponse{}, nil
}
