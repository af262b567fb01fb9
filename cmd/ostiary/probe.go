package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

func newProbe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Ask the server on this machine whether it is ready",
		Long: `Ask the server that runs with the same settings whether it is ready, or with --live
whether it runs at all, at its address for operators. For health checks of containers
without a shell, and for scripts.

The exit status is 0 for yes and 1 for no; what the server says is printed.`,
		Example: `  ostiary probe
  ostiary probe --live --admin-addr 127.0.0.1:9464`,
		Args: usage.NoArguments,
	}
	live := cmd.Flags().Bool("live", false, "Ask only whether the server runs")
	timeout := cmd.Flags().Duration("timeout", 3*time.Second, "How long to wait for the answer")
	set := settings.Admin()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		if err := loaded.AdminFaults(); err != nil {
			return err
		}
		address, err := probed(loaded.Server.AdminAddr)
		if err != nil {
			return usage.Wrong(err)
		}
		path := "/readyz"
		if *live {
			path = "/livez"
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return probe(ctx, cmd.OutOrStdout(), (&url.URL{Scheme: "http", Host: address, Path: path}).String())
	}
	return cmd
}

var errNoAdmin = errors.New("admin_addr is none, so the server has no address for operators; set one, or ask its HTTP port for /readyz")

// probed returns where a server can be asked that listens at an address. One that listens
// everywhere also does so on the loopback interface.
func probed(listens string) (string, error) {
	if listens == serversettings.AdminNone {
		return "", errNoAdmin
	}
	host, port, err := net.SplitHostPort(cmp.Or(listens, serversettings.DefaultAdminAddr))
	if err != nil {
		return "", err
	}
	switch ip, _ := netip.ParseAddr(host); {
	case ip == netip.IPv6Unspecified():
		host = "::1"
	case host == "", ip.IsUnspecified():
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// largestAnswer is more than a server with a thousand issuers says.
const largestAnswer = 1 << 20

func probe(ctx context.Context, w io.Writer, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy: it is this machine
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, strings.TrimSpace(string(body))); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return usage.StatusError(1)
	}
	return nil
}
