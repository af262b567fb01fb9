package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Listen listens on an address, host:port. Its error names the remedy.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err == nil {
		return listener, nil
	}
	remedy := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "if it is not this server that runs already, stop the program that has it, or choose another address"
	case errors.Is(err, fs.ErrPermission):
		remedy = "choose another address, with a port above 1023, or give the program the right to lower ones (CAP_NET_BIND_SERVICE)"
	}
	return nil, fmt.Errorf("cannot be listened on: %w; %s", err, remedy)
}
