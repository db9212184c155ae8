package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
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
			conf, list := broker.MosquittoConfig(dir, port, config.MQTT.RevocationList), broker.MosquittoAccess()
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

// brokerFile is one that the broker needs.
type brokerFile struct {
	name    string
	content []byte
}

// writeBrokerFiles puts everything that the configuration names into one directory.
func writeBrokerFiles(cmd *cobra.Command, config configs.Hub, p place, dir, conf, list string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	files := []brokerFile{{broker.MosquittoConfigFile, []byte(conf)}, {broker.MosquittoAccessFile, []byte(list)}}
	for _, one := range []struct{ from, to string }{
		{authority.CertFile, broker.MosquittoCAFile}, {authority.ServerCertFile, broker.MosquittoCertFile}, {authority.ServerKeyFile, broker.MosquittoKeyFile},
	} {
		content, err := os.ReadFile(filepath.Join(config.KeysDir, one.from))
		if err != nil {
			return fmt.Errorf("cannot read the hub's certificates: %w; start the hub once, with --broker, so that it makes them", err)
		}
		files = append(files, brokerFile{one.to, content})
	}
	after := fmt.Sprintf("and after a panel was revoked send the broker SIGHUP: it reads %s again", config.MQTT.RevocationList)
	if config.MQTT.RevocationList == "" {
		revoked, err := revokedOf(cmd, config, p)
		if err != nil {
			return err
		}
		files = append(files, brokerFile{broker.MosquittoCRLFile, revoked})
		after = fmt.Sprintf("and after a panel was revoked copy %s again and send the broker SIGHUP", revocationList(config))
	}
	for _, f := range files {
		if err := daemon.WriteDurably(filepath.Join(dir, f.name), f.content, 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d files. Give them to the broker's user (chown -R mosquitto: %s), start it with %s/mosquitto.conf,\n"+
		"%s (scripts/doorhub-revoked.path does it by itself). The hub ignores revoked panels at once.\n", dir, len(files), dir, dir, after)
	return nil
}

// revokedOf is the list of revoked certificates: the one that a running hub keeps, or one that is made now.
func revokedOf(cmd *cobra.Command, config configs.Hub, p place) ([]byte, error) {
	content, err := os.ReadFile(revocationList(config))
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
		content, err = os.ReadFile(revocationList(config))
	}
	return content, err
}
