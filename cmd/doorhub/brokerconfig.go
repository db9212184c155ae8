package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
)

func brokerConfigCommand() *cobra.Command {
	var p place
	var out, port string
	cmd := &cobra.Command{
		Use: "broker-config", Short: "Print the configuration of a mosquitto that serves this hub and its panels", Args: cobra.NoArgs,
		Long: "Print mosquitto.conf and its access list for a broker of your own (doorhub run --broker). Each panel shows its certificate and may\n" +
			"use its own topics alone. With --out the files are written, with the certificates that they name.",
		Example: "  doorhub broker-config --config /etc/doorhub/hub.toml\n  doorhub broker-config --out /etc/mosquitto/doorhub",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.load()
			if err != nil {
				return err
			}
			dir := out
			if dir == "" {
				dir = "/etc/mosquitto/doorhub"
			}
			if dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			if port == "" {
				port = brokerPort(config)
			}
			conf, list := mosquittoConf(dir, port), mosquittoAccess()
			if out == "" {
				fmt.Fprintf(cmd.OutOrStdout(), "# --- mosquitto.conf\n%s\n# --- access\n%s", conf, list)
				return nil
			}
			return writeBrokerFiles(cmd, config, p, dir, conf, list)
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write the files into `DIR`")
	cmd.Flags().StringVar(&port, "port", "", "`PORT` of the broker (default: that of [mqtt] broker, else 8883)")
	return cmd
}

func brokerPort(config configs.Hub) string {
	if u, err := url.Parse(config.MQTT.Broker); err == nil && u.Port() != "" {
		return u.Port()
	}
	return "8883"
}

// mosquittoConf is what mosquitto 2 needs to serve a hub.
func mosquittoConf(dir, port string) string {
	return fmt.Sprintf(`# For mosquitto 2, made by doorhub broker-config.
per_listener_settings false
listener %s
cafile %[2]s/ca.pem
certfile %[2]s/server.pem
keyfile %[2]s/server.key
crlfile %[2]s/revoked.pem
# Who connects shows a certificate of the hub's authority, and is who it says.
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file %[2]s/access
# A panel's entries wait for the hub: sessions outlive a restart, for two weeks at most.
persistence true
persistence_location %[2]s/
persistent_client_expiration 14d
max_queued_messages 2000
message_size_limit 65536
max_keepalive 300
`, port, dir)
}

// mosquittoAccess gives each panel its own topics (docs/mqtt.md) and the hub all of them.
func mosquittoAccess() string {
	var b strings.Builder
	for _, leaf := range []string{"status", "event", "reply"} {
		fmt.Fprintf(&b, "pattern write doorpanel/v1/+/%%u/%s\n", leaf)
	}
	for _, leaf := range []string{"status", "ack", "command", "document/#"} {
		fmt.Fprintf(&b, "pattern read doorpanel/v1/+/%%u/%s\n", leaf)
	}
	fmt.Fprintf(&b, "user %s\ntopic readwrite doorpanel/v1/#\n", hubClient)
	return b.String()
}

// writeBrokerFiles puts everything that the configuration names into one directory.
func writeBrokerFiles(cmd *cobra.Command, config configs.Hub, p place, dir, conf, list string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	files := map[string][]byte{"mosquitto.conf": []byte(conf), "access": []byte(list)}
	for from, to := range map[string]string{"authority.pem": "ca.pem", "server.pem": "server.pem", "server.key": "server.key"} {
		content, err := os.ReadFile(filepath.Join(config.KeysDir, from))
		if err != nil {
			return fmt.Errorf("cannot read the hub's certificates: %w; start the hub once, with --broker, so that it makes them", err)
		}
		files[to] = content
	}
	revoked, err := revokedOf(cmd, config, p)
	if err != nil {
		return err
	}
	files["revoked.pem"] = revoked
	for _, name := range []string{"mosquitto.conf", "access", "ca.pem", "server.pem", "server.key", "revoked.pem"} {
		if err := daemon.WriteDurably(filepath.Join(dir, name), files[name], 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: six files. Give them to the broker's user (chown -R mosquitto: %s), start it with %s/mosquitto.conf,\n"+
		"and after a panel was revoked copy %s again and send the broker SIGHUP. The hub itself ignores revoked panels at once.\n",
		dir, dir, dir, filepath.Join(config.Data, crlFile))
	return nil
}

// revokedOf is the list of revoked certificates: the one that a running hub keeps, or one that is made now.
func revokedOf(cmd *cobra.Command, config configs.Hub, p place) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(config.Data, crlFile))
	if !errors.Is(err, os.ErrNotExist) {
		return content, err
	}
	err = withAPI(cmd, p, func(_ context.Context, a *api) error {
		if a.live {
			return fmt.Errorf("cannot find the list of revoked certificates in %s; restart the hub, it is written at the start", config.Data)
		}
		return nil
	})
	if err == nil {
		content, err = os.ReadFile(filepath.Join(config.Data, crlFile))
	}
	return content, err
}
