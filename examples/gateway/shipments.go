package main

import (
	"context"

	"google.golang.org/grpc"

	shipmentv1 "github.com/ostiary/ostiary/examples/gen/acme/shipment/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

type shipments struct {
	shipmentv1.UnimplementedShipmentServiceServer
}

func (shipments) GetShipment(ctx context.Context, request *shipmentv1.GetShipmentRequest) (*shipmentv1.GetShipmentResponse, error) {
	caller := auth.MustFromContext(ctx)
	return &shipmentv1.GetShipmentResponse{ShipmentId: request.GetShipmentId(), Customer: caller.Subject}, nil
}

func (shipments) WatchShipment(_ *shipmentv1.WatchShipmentRequest, stream grpc.ServerStreamingServer[shipmentv1.WatchShipmentResponse]) error {
	for _, place := range []string{"Rotterdam", "Basel"} {
		if err := stream.Send(&shipmentv1.WatchShipmentResponse{Place: place}); err != nil {
			return err
		}
	}
	return nil
}

func (shipments) CancelShipment(ctx context.Context, _ *shipmentv1.CancelShipmentRequest) (*shipmentv1.CancelShipmentResponse, error) {
	return &shipmentv1.CancelShipmentResponse{CancelledBy: auth.MustFromContext(ctx).Subject}, nil
}
