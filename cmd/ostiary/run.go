package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/logqueue"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/internal/logsample"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// withLog runs a server whose log, on standard error, may be read late, or no longer. It
// also writes the error that ends the server, which would otherwise wait for the reader.
func withLog(cmd *cobra.Command, loaded *settings.Loaded, run func(serversettings.Config) error) error {
	signal.Ignore(syscall.SIGPIPE) // else a log reader that ends takes the server along
	queue := logqueue.New(cmd.ErrOrStderr(), func(w io.Writer, lines uint64) {
		loaded.Logger(w).Error("log lines were dropped, since they were not read in time", "lines", lines)
	})
	defer queue.Close()
	logger := loaded.Logger(queue)
	loaded.Server.Logger, loaded.Server.DroppedLogLines, loaded.Server.Version, loaded.Server.Revision = logger, queue.Dropped, version, revision
	slog.SetDefault(logger) //nolint:forbidigo // of packages that log by themselves, as grpc does
	if os.Getenv("GRPC_GO_LOG_SEVERITY_LEVEL") == "" {
		strangers := &logsample.Sampler{Logger: logger} // who can cause all that is logged at the default level
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, slog.NewLogLogger(strangers.Handler("grpc"), slog.LevelWarn).Writer()))
	}
	for _, fault := range loaded.Unknown() {
		logger.Warn("a variable does nothing", "variable", fault.Setting, "error", fault.Err)
	}
	limitMemory(logger)
	err := run(loaded.Server)
	report(queue, err)
	if err != nil {
		return usage.StatusError(exitStatus(err))
	}
	return nil
}
