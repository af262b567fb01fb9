package transport

import (
	"compress/gzip"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/ostiary/ostiary/internal/logsample"
)

// The limits of both listeners, so that one caller cannot take the server from
// the others.
const (
	ReadHeaderTimeout = 5 * time.Second
	MaxHeaderBytes    = 32 << 10
	MaxStreams        = 250     // calls at once on one connection
	MaxMessageBytes   = 4 << 20 // of one message, decompressed

	idleTimeout      = 120 * time.Second
	compressMinBytes = 1024             // below, compressing costs more than it saves
	pingAfter        = 30 * time.Second // of silence
	pingTimeout      = 15 * time.Second
)

// NewHTTPServer returns a server for HTTP/1.1 and HTTP/2 with the limits; without
// a TLS configuration it serves both in plaintext.
func NewHTTPServer(handler http.Handler, config *tls.Config, strangers *logsample.Sampler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	return &http.Server{
		Handler: handler,
		// OPTIONS * needs a token, like any other.
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    config,
		Protocols:                    protocols,
		ReadHeaderTimeout:            ReadHeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               MaxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: MaxStreams,
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
			WriteByteTimeout:     idleTimeout,
		},
		ErrorLog: slog.NewLogLogger(withoutMismatch{strangers.Handler("connection")}, slog.LevelWarn), // such as a TLS handshake that fails
	}
}

// ConnectLimits are the options of connect handlers with the limits.
func ConnectLimits() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(MaxMessageBytes),
		withBoundedGzip(),
		connect.WithCompressMinBytes(compressMinBytes),
	}
}

// GRPCLimits are the options of a grpc-go server with the limits.
func GRPCLimits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ConnectionTimeout(ReadHeaderTimeout),
		grpc.MaxHeaderListSize(MaxHeaderBytes),
		grpc.MaxConcurrentStreams(MaxStreams),
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: idleTimeout,
			Time:              pingAfter,
			Timeout:           pingTimeout,
		}),
		// Clients may ping about as often as we do, also while nothing is under
		// way; one that pings without pause is sent away.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             pingAfter / 2,
			PermitWithoutStream: true,
		}),
	}
}

// withBoundedGzip replaces connect's gzip by one that stops at the largest
// message. connect refuses a larger one too, but first decompresses all of it to
// say how large it is: a second of work for four megabytes that somebody sends. It
// compresses as fast as it can: IDs are random, and do not become shorter by more work.
func withBoundedGzip() connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return new(boundedGzip) },
		func() connect.Compressor {
			w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is known
			return w
		},
	)
}

// boundedGzip reads one byte more than the largest message, by which connect
// knows that it is too large, and then fails.
type boundedGzip struct {
	gzip.Reader

	left int
}

var errTooLarge = errors.New("the message is larger than is read")

func (b *boundedGzip) Reset(r io.Reader) error {
	b.left = MaxMessageBytes + 1
	return b.Reader.Reset(r)
}

func (b *boundedGzip) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooLarge
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
