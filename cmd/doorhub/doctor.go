package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/web"
)

func doctorCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at everything a hub needs, and say what is wrong and what to do", Args: cobra.NoArgs,
		Example: "  doorhub doctor --config /etc/doorhub/hub.toml\n  doorhub doctor --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{findings: []finding{}, tell: func(f finding) {
				switch {
				case asJSON:
				case f.OK:
					fmt.Fprintf(cmd.OutOrStdout(), "ok   %s\n", printable(f.What))
				default:
					fmt.Fprintf(cmd.OutOrStdout(), "BAD  %s: %s\n", printable(f.What), printable(f.Remedy))
				}
			}}
			d.examine(cmd, p)
			if asJSON {
				if err := printJSON(cmd, map[string]any{"findings": d.findings}); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(d.findings, func(f finding) bool { return !f.OK }) {
				return errSilent
			}
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// finding is one thing that doctor looked at.
type finding struct {
	OK     bool   `json:"ok"`
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor gathers findings.
type doctor struct {
	findings []finding
	tell     func(finding)
}

// say notes a finding; the remedy is told where something is wrong.
func (d *doctor) say(ok bool, what, remedy string) {
	if ok {
		remedy = ""
	}
	f := finding{ok, what, remedy}
	d.findings = append(d.findings, f)
	d.tell(f)
}

// doctorPatience is how long doctor waits for a server.
const doctorPatience = 5 * time.Second

func (d *doctor) examine(cmd *cobra.Command, p place) {
	config, err := p.load()
	if err != nil {
		d.say(false, "configuration", err.Error())
		return
	}
	d.say(true, "configuration", "")
	d.clock()
	info, err := os.Stat(config.Data)
	if err != nil || !info.IsDir() {
		d.say(false, "data directory "+config.Data, "it is not there; start the hub once, or name it with --data")
		return
	}
	d.files(config, info)
	d.names(cmd.Context(), config)
	err = withAPI(cmd, p, func(ctx context.Context, a *api) error {
		d.say(a.live, "the hub runs", "start it: systemctl start doorhub, or doorhub run")
		if !a.live {
			d.ports(config)
		}
		return d.inside(ctx, a, config)
	})
	if err != nil {
		d.say(false, "the hub's store", err.Error())
	}
}

func (d *doctor) clock() {
	d.say(kernelSynchronized(), "the clock is synchronized", "outages and licenses go by it: start time synchronization, such as systemctl enable --now systemd-timesyncd")
}

// leastSpace is the room on the disk below which a hub does not last.
const leastSpace = 512 << 20

func (d *doctor) files(config configs.Hub, data os.FileInfo) {
	d.say(data.Mode().Perm()&0o077 == 0, "the data directory is private", fmt.Sprintf("others may look into it (mode %v); chmod 700 %s", data.Mode().Perm(), config.Data))
	open := daemon.Readable(config.KeysDir, ".key")
	d.say(open == "", "the keys are private", fmt.Sprintf("others may read %s; chmod 600 %s", open, open))
	var disk syscall.Statfs_t
	if err := syscall.Statfs(config.Data, &disk); err != nil {
		d.say(false, "the disk", err.Error())
	} else {
		free := disk.Bavail * uint64(disk.Bsize)
		d.say(free > leastSpace, fmt.Sprintf("the disk has room (%d MiB)", free>>20), fmt.Sprintf("less than %d MiB are left; make room, or shorten the retention of events on the settings page", leastSpace>>20))
	}
	content, err := os.ReadFile(filepath.Join(config.KeysDir, "server.pem"))
	if errors.Is(err, os.ErrNotExist) {
		return // it is made at the first start
	}
	if err != nil {
		d.say(false, "the hub's certificate", err.Error())
		return
	}
	d.certificate("the hub's certificate", content, config)
	if config.Web.TLS.Certificate != "" {
		if content, err := os.ReadFile(config.Web.TLS.Certificate); err != nil {
			d.say(false, "the page's certificate", err.Error()+"; write its path as [web.tls] certificate")
		} else {
			d.certificate("the page's certificate", content, configs.Hub{})
		}
	}
}

// soon is the time before a certificate's end from which on it is told. The hub renews its own long before.
const soon = 21 * 24 * time.Hour

func (d *doctor) certificate(what string, content []byte, config configs.Hub) {
	block, _ := pem.Decode(content)
	if block == nil {
		d.say(false, what, "it is not a PEM file; move it away, the hub makes its own again")
		return
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.say(false, what, err.Error())
		return
	}
	d.say(time.Until(parsed.NotAfter) > soon, what+" is good until "+parsed.NotAfter.Format(time.DateOnly), "it ends soon; renew it, or look whether the clock is right")
	for _, name := range config.Names {
		d.say(parsed.VerifyHostname(name) == nil, what+" names "+name, "restart the hub: it makes another certificate when [names] changes")
	}
}

// names asks whether the names that panels are told lead anywhere.
func (d *doctor) names(ctx context.Context, config configs.Hub) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	own := hostsOf(configs.Hub{})
	for _, name := range config.Names {
		if net.ParseIP(name) != nil {
			continue
		}
		found, err := net.DefaultResolver.LookupHost(ctx, name)
		if err != nil {
			d.say(false, "the name "+name, fmt.Sprintf("it cannot be looked up here (%v); mend the DNS, or write an address into names", err))
			continue
		}
		here := slices.ContainsFunc(found, func(a string) bool { return slices.Contains(own, a) })
		d.say(here || config.Enroll.Address != "", "the name "+name+" leads here", fmt.Sprintf("it leads to %s, which is none of this host's addresses; mend the DNS, or write [enroll] and [mqtt] address where a router forwards", strings.Join(found, ", ")))
	}
}

// ports tries to listen where the hub would: it does not run, so nobody else should.
func (d *doctor) ports(config configs.Hub) {
	type one struct{ what, key, address string }
	list := []one{
		{"the page", "[web] listen", config.Web.Listen.String()}, {"panels that enroll", "[enroll] listen", config.Enroll.Listen.String()},
	}
	if config.MQTT.Broker == "" {
		list = append(list, one{"panels", "[mqtt] listen", config.MQTT.Own.Listen.String()})
	}
	for _, p := range list {
		l, err := daemon.Listen(p.what, p.key, p.address)
		if err != nil {
			d.say(false, "port for "+p.what, err.Error())
			continue
		}
		_ = l.Close()
		d.say(true, "port for "+p.what+" is free", "")
	}
}

// inside asks the hub itself.
func (d *doctor) inside(ctx context.Context, a *api, config configs.Hub) error {
	var health web.Health
	if err := a.call(ctx, http.MethodGet, "/api/v1/health", nil, &health); err != nil {
		return err
	}
	for _, part := range health.Parts {
		if part.Name == "broker" && !a.live {
			continue
		}
		ok := part.State == partOK || part.State == partOff
		d.say(ok, strings.TrimSpace(part.Name+" "+part.State), cmp.Or(part.Detail, "look again in a moment"))
	}
	if !a.live && config.MQTT.Broker != "" {
		d.reach("the broker", config.MQTT.Broker)
	}
	if err := d.mail(ctx, a, config); err != nil {
		return err
	}
	var list struct {
		Panels []struct {
			ID         string           `json:"id"`
			Name       string           `json:"name"`
			Enrollment fleet.PanelState `json:"enrollment"`
		} `json:"panels"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/v1/panels", nil, &list); err != nil {
		return err
	}
	for _, p := range list.Panels {
		if p.Enrollment != fleet.PanelEnrolled {
			continue
		}
		var panel struct {
			Expires time.Time `json:"certificate_expires"`
		}
		if err := a.call(ctx, http.MethodGet, panelPath(p.ID), nil, &panel); err != nil {
			return err
		}
		if time.Until(panel.Expires) < soon {
			d.say(false, fmt.Sprintf("the certificate of panel %s (%s) ends on %s", p.Name, p.ID, panel.Expires.Format(time.DateOnly)),
				"a panel renews it by itself four months before; look whether it reaches the hub's entrance, or pair it again")
		}
	}
	d.say(true, fmt.Sprintf("looked at %d panels", len(list.Panels)), "")
	return nil
}

// mail lets the mail server say hello, with the settings that are in force.
func (d *doctor) mail(ctx context.Context, a *api, config configs.Hub) error {
	var settings web.HubSettings
	if err := a.call(ctx, http.MethodGet, "/api/v1/settings", nil, &settings); err != nil {
		return err
	}
	if settings.Mail.Server == "" {
		d.say(false, "e-mail", "no mail server is set, so nobody is warned by mail; set one on the settings page, or in [mail]")
		return nil
	}
	m := settings.Mail
	if m.Password == web.Hidden {
		m.User, m.Password = "", "" // hello is said before anybody logs in
	}
	sender, err := (&post{mail: config.Mail}).mailOf(m)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 2*doctorPatience)
		defer cancel()
		err = sender.Try(ctx)
	}
	remedy := ""
	if err != nil {
		remedy = err.Error()
	}
	d.say(err == nil, "the mail server "+mailServer(m)+" says hello", remedy)
	return nil
}

// reach opens a connection to an address of the form scheme://host:port.
func (d *doctor) reach(what, address string) {
	u, err := url.Parse(address)
	if err == nil {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", u.Host, doctorPatience); err == nil {
			_ = c.Close()
		}
	}
	remedy := ""
	if err != nil {
		remedy = fmt.Sprintf("%v; start it, or mend the address or the firewall", err)
	}
	d.say(err == nil, what+" "+address+" can be reached", remedy)
}
