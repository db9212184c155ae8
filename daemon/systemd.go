package daemon

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells systemd, where there is one, that the service works. Status is shown by systemctl; it may be empty.
func Ready(status string) {
	state := daemon.SdNotifyReady
	if status != "" {
		state += "\nSTATUS=" + status
	}
	_, _ = daemon.SdNotify(false, state)
}

// Stopping tells systemd that the service ends because it was asked to.
func Stopping() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }

// Watchdog feeds systemd's watchdog only as long as what it watches answers. It returns at once where there is none.
func Watchdog(ctx context.Context, alive func(context.Context) error) {
	period, err := daemon.SdWatchdogEnabled(false)
	if err != nil || period == 0 {
		return
	}
	ticker := time.NewTicker(period / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			asking, cancel := context.WithTimeout(ctx, period/2)
			if err := alive(asking); err == nil {
				_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
			}
			cancel()
		}
	}
}
