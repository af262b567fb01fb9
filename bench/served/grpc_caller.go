package served

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type grpcCaller struct{ connection *grpc.ClientConn }

func newGRPCCaller(address string) (*grpcCaller, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &grpcCaller{connection}, nil
}

func (c *grpcCaller) Unary(ctx context.Context, token string) error {
	return c.connection.Invoke(withToken(ctx, token), unaryProcedure, wrapperspb.String(text), new(wrapperspb.StringValue))
}

func (c *grpcCaller) Receive(ctx context.Context, token string, messages int) error {
	stream, err := c.connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ServerStreams: true}, receiveProcedure)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.Int64(int64(messages))); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for received := 0; ; received++ {
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); errors.Is(err, io.EOF) {
			return all(received, messages)
		} else if err != nil {
			return err
		}
	}
}

func (c *grpcCaller) Send(ctx context.Context, token string, messages int) error {
	stream, err := c.connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ClientStreams: true}, sendProcedure)
	if err != nil {
		return err
	}
	message := wrapperspb.String(text)
	for range messages {
		if err := stream.SendMsg(message); err != nil {
			break // RecvMsg says why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	count := new(wrapperspb.Int64Value)
	if err := stream.RecvMsg(count); err != nil {
		return err
	}
	return all(int(count.GetValue()), messages)
}

func (c *grpcCaller) Watch(ctx context.Context, token string) (func() error, error) {
	stream, err := c.connection.NewStream(withToken(ctx, token), &grpc.StreamDesc{ServerStreams: true}, watchProcedure)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(new(wrapperspb.Int64Value)); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	message := new(wrapperspb.StringValue)
	if err := stream.RecvMsg(message); err != nil {
		return nil, err
	}
	return func() error { return stream.RecvMsg(message) }, nil
}

func (c *grpcCaller) Close() error { return c.connection.Close() }

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}
