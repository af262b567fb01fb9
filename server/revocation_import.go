package server

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
)

// maxBadRows bounds the summary.
const maxBadRows = 1000

// importAll revokes what receive returns until io.EOF, in batches: a sync of
// the disk for each row would make the disk the limit.
func (s *revocationService) importAll(ctx context.Context, receive func() (*revocationv1.ImportRevocationsRequest, error)) (*revocationv1.ImportRevocationsResponse, error) {
	if err := s.operators.require(current(ctx)); err != nil {
		return nil, err // before anything is received
	}
	summary := new(revocationv1.ImportRevocationsResponse)
	var batch []order
	revoke := func() error {
		if len(batch) == 0 {
			return nil
		}
		id := current(ctx) // who may have become somebody with fewer permissions
		if err := s.operators.require(id); err != nil {
			return err
		}
		if _, err := s.ledger.revoke(ctx, id, batch...); err != nil {
			return err
		}
		summary.Imported += int64(len(batch))
		batch = batch[:0]
		return nil
	}
	for row := int64(0); ; {
		message, err := receive()
		if errors.Is(err, io.EOF) {
			return summary, revoke()
		}
		if err != nil {
			return nil, err
		}
		for _, asked := range message.GetRevocations() {
			row++
			order, err := s.order(asked, current(ctx))
			if err != nil {
				reject(summary, row, err)
				continue
			}
			batch = append(batch, order)
			if len(batch) < batchSize {
				continue
			}
			if err := revoke(); err != nil {
				return nil, err
			}
		}
	}
}

func reject(summary *revocationv1.ImportRevocationsResponse, row int64, fault error) {
	summary.Rejected++
	if len(summary.GetBadRows()) < maxBadRows {
		summary.BadRows = append(summary.BadRows, &revocationv1.BadRow{Row: row, Fault: fault.Error()})
	}
}

// connectRevocation is the service as connect-go wants it.
type connectRevocation struct{ *revocationService }

func (s connectRevocation) ImportRevocations(ctx context.Context, stream *connect.ClientStream[revocationv1.ImportRevocationsRequest]) (*revocationv1.ImportRevocationsResponse, error) {
	return s.importAll(ctx, func() (*revocationv1.ImportRevocationsRequest, error) {
		if !stream.Receive() {
			if err := stream.Err(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return stream.Msg(), nil
	})
}

// grpcRevocation is the service as grpc-go wants it.
type grpcRevocation struct {
	revocationv1.UnsafeRevocationServiceServer
	*revocationService
}

func (s grpcRevocation) ImportRevocations(stream grpc.ClientStreamingServer[revocationv1.ImportRevocationsRequest, revocationv1.ImportRevocationsResponse]) error {
	summary, err := s.importAll(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(summary)
}
