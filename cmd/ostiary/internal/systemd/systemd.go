// Package systemd says to systemd what the server does, where systemd started it as a unit of
// Type=notify or Type=notify-reload (sd_notify(3)). Elsewhere it does nothing.
//
//	manager := systemd.Manager{Log: logger}
//	manager.Ready("serving")
//	defer manager.Stopping()
package systemd

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A Manager is the service manager that started this process, if one did. Its methods may be
// called concurrently.
type Manager struct {
	// Log gets a warning where the manager cannot be reached. Required.
	Log *slog.Logger
}

// Ready says that the server has started, or has read its settings again. systemctl status
// shows the status.
func (m Manager) Ready(status string) { m.notify(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// Reloading says that the server reads its settings again. Ready has to follow.
func (m Manager) Reloading() {
	m.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the server is about to stop.
func (m Manager) Stopping() { m.notify(daemon.SdNotifyStopping + "\nSTATUS=about to stop") }

func (m Manager) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.Log.Warn("the service manager cannot be notified", "error", err, "remedy", "check NOTIFY_SOCKET, or unset it where no service manager waits for this process")
	}
}
