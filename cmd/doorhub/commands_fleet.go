package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/web"
	"github.com/doorpanel/doorpanel/qr"
)

func sitesCommand() *cobra.Command {
	p := &place{}
	return group(p, "sites", "Installation environments", sitesAdd(p), sitesList(p))
}

// siteAnswer is a site as the API tells it.
type siteAnswer struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Zone     string    `json:"zone"`
	Language string    `json:"language"`
	Panels   int       `json:"panels"`
	Lost     int       `json:"lost"`
	Archived time.Time `json:"archived,omitzero"`
}

func sitesAdd(p *place) *cobra.Command {
	var id, name, zone, language, address string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a site", Args: cobra.ExactArgs(1),
		Example: "  doorhub sites add 'Via Roma 7' --zone Europe/Rome --language it\n  doorhub sites add Office --id office --zone Europe/Berlin",
		RunE: func(cmd *cobra.Command, args []string) error {
			name = args[0]
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var made siteAnswer
				in := map[string]string{"id": id, "name": name, "zone": zone, "language": language, "address": address}
				if err := a.call(ctx, http.MethodPost, "/api/v1/sites", in, &made); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, made)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "site %s is there; pair its panels with: doorhub pair --site %s\n", made.ID, made.ID)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&id, "id", "", "the site's `ID` in topics (default: made from the name)")
	flags.StringVar(&zone, "zone", localZone(), "IANA `NAME` of the time zone")
	flags.StringVar(&language, "language", "en", "`LANGUAGE` of its messages")
	flags.StringVar(&address, "address", "", "where it is, for `PEOPLE`")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// localZone is the zone of this host where it has a name that others know, else UTC.
func localZone() string {
	name := time.Local.String()
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "UTC"
	}
	return name
}

func sitesList(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the sites", Args: cobra.NoArgs, Example: "  doorhub sites list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var list struct {
					Sites []siteAnswer `json:"sites"`
				}
				if asJSON {
					return a.copyJSON(ctx, cmd, "/api/v1/sites")
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/sites", nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, s := range list.Sites {
					rows = append(rows, []string{s.ID, s.Name, s.Zone, fmt.Sprint(s.Panels)})
				}
				return printTable(cmd, "ID NAME ZONE PANELS", rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// copyJSON prints an answer of the API, indented.
func (a *api) copyJSON(ctx context.Context, cmd *cobra.Command, path string) error {
	var any any
	if err := a.call(ctx, http.MethodGet, path, nil, &any); err != nil {
		return err
	}
	return printJSON(cmd, any)
}

func pairCommand() *cobra.Command {
	var p place
	var ask struct {
		Site     string `json:"site"`
		Name     string `json:"name,omitempty"`
		Identity string `json:"identity,omitempty"`
		Replaces string `json:"replaces,omitempty"`
	}
	var asJSON bool
	cmd := &cobra.Command{
		Use: "pair --site SITE", Short: "Open a window of ten minutes in which one panel may be enrolled, and show its code", Args: cobra.NoArgs,
		Long: "Open a pairing window and print its code as text and as a QR code. Scan it at the panel within ten minutes after its service\n" +
			"input, or type it there: doorpanel hub pair DH1:...",
		Example: "  doorhub pair --site via-roma-7\n" +
			"  doorhub pair --site via-roma-7 --panel DI1:...          only the panel that shows this identity\n" +
			"  doorhub pair --site via-roma-7 --replaces PANELID       in the place of a dead panel",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ask.Site == "" {
				return usageError{errors.New("cannot pair: name the site with --site; doorhub sites list shows them")}
			}
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				if !a.live {
					return errors.New("cannot pair: the hub does not run, and no panel could come in; start it with doorhub run, or systemctl start doorhub")
				}
				var w web.PairingWindow
				if err := a.call(ctx, http.MethodPost, "/api/v1/pairing", ask, &w); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, w)
				}
				drawn, err := qr.Terminal(w.Code, qr.Options{Level: qr.L})
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n\nOne panel may come in to site %s until %s. At the panel: doorpanel hub pair '%s'\n",
					drawn, w.Code, w.Site, w.Until.Local().Format("15:04:05"), w.Code)
				return nil
			})
		},
	}
	p.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&ask.Site, "site", "", "`ID` of the site")
	flags.StringVar(&ask.Name, "name", "", "`NAME` of the panel (default: the one that it brings)")
	flags.StringVar(&ask.Identity, "panel", "", "identity `CODE` (DI1:...) of the only panel that may come")
	flags.StringVar(&ask.Replaces, "replaces", "", "`ID` of the dead panel whose place it takes")
	flags.BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

func panelsCommand() *cobra.Command {
	var p place
	var site string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "panels", Short: "List the panels: who is there, and since when", Args: cobra.NoArgs,
		Example: "  doorhub panels\n  doorhub panels --site via-roma-7 --json\n  doorhub panels revoke PANELID",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				path := "/api/v1/panels?" + url.Values{"site": {site}}.Encode()
				if asJSON {
					return a.copyJSON(ctx, cmd, path)
				}
				var list struct {
					Panels []struct {
						ID         string           `json:"id"`
						Name       string           `json:"name"`
						Site       string           `json:"site"`
						Enrollment fleet.PanelState `json:"enrollment"`
						Presence   monitor.Presence `json:"presence"`
						Contact    time.Time        `json:"last_contact"`
						Cause      string           `json:"cause_text"`
					} `json:"panels"`
				}
				if err := a.call(ctx, http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				var rows [][]string
				for _, one := range list.Panels {
					last := ""
					if !one.Contact.IsZero() {
						last = one.Contact.Local().Format("2006-01-02 15:04:05")
					}
					rows = append(rows, []string{one.ID, one.Name, one.Site, string(one.Enrollment), string(one.Presence), last, one.Cause})
				}
				return printTable(cmd, "ID NAME SITE STATE PRESENCE LAST CAUSE", rows)
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&site, "site", "", "`ID` of one site (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.AddCommand(&cobra.Command{
		Use: "revoke PANEL", Short: "End a panel's certificate: it is disconnected at once and not heard any more", Args: cobra.ExactArgs(1),
		Example: "  doorhub panels revoke PANELID",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodPost, panelPath(args[0])+"/revoke", nil, nil)
			})
		},
	}, &cobra.Command{
		Use: "rename PANEL NAME", Short: "Give a panel another name", Args: cobra.ExactArgs(2), Example: "  doorhub panels rename PANELID 'Stairs B'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				return a.call(ctx, http.MethodPut, panelPath(args[0]), map[string]string{"name": args[1]}, nil)
			})
		},
	})
	return cmd
}

func panelPath(id string) string { return "/api/v1/panels/" + url.PathEscape(id) }

func orderCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "order PANEL VERB OBJECT", Short: "Ask a panel to do something, and tell what came of it", Args: cobra.ExactArgs(3),
		Long: "Send one signed order and wait for the panel's answer, about 30 seconds at most. The panel's own rules still apply, and it never\n" +
			"does later what it was not told in time. Verbs: open DOOR, lockdown on|off, text 'WORDS'.",
		Example: "  doorhub order PANELID open front\n  doorhub order PANELID lockdown on\n  doorhub order PANELID text 'Back at two'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, p, func(ctx context.Context, a *api) error {
				if !a.live {
					return errors.New("cannot order anything: the hub does not run; start it with doorhub run, or systemctl start doorhub")
				}
				var o fleet.Order
				if err := a.call(ctx, http.MethodPost, panelPath(args[0])+"/orders", map[string]string{"verb": args[1], "object": args[2]}, &o); err != nil {
					return err
				}
				if asJSON {
					if err := printJSON(cmd, o); err != nil || o.State == fleet.OrderDone {
						return err
					}
					return errSilent
				}
				if o.State != fleet.OrderDone {
					return fmt.Errorf("order %d: %s", o.Number, toldOf(o))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "order %d: %s\n", o.Number, toldOf(o))
				return nil
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return cmd
}

// toldOf says what came of an order.
func toldOf(o fleet.Order) string {
	if o.Late {
		o.Late = false
		return "answered late: " + toldOf(o)
	}
	switch o.State {
	case fleet.OrderDone:
		return "the panel did it"
	case fleet.OrderRefused:
		return "the panel refused: " + o.Why
	case fleet.OrderFailed:
		return "the panel tried and could not: " + o.Why
	case fleet.OrderSent:
		return "sent; there is no answer yet"
	}
	return "not reached: the panel did not answer in time, and will not do it later"
}

func licenseCommand() *cobra.Command {
	p := &place{}
	var site string
	var asJSON bool
	add := &cobra.Command{
		Use: "add CODE --site SITE", Short: "Enter a site's monitoring license", Args: cobra.ExactArgs(1),
		Example: "  doorhub license add DP1:... --site via-roma-7\n  doorhub license add - --site via-roma-7 < license.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if site == "" {
				return usageError{errors.New("cannot add license: name the site with --site")}
			}
			code := args[0]
			if code == "-" {
				var err error
				if code, err = firstLine(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				var l web.MonitoringLicense
				if err := a.call(ctx, http.MethodPost, "/api/v1/sites/"+url.PathEscape(site)+"/license", map[string]string{"token": code}, &l); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, l)
				}
				until := "without an end"
				if !l.Until.IsZero() {
					until = "until " + l.Until.Format(time.DateOnly)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "site %s is monitored, %s.\n", site, until)
				return nil
			})
		},
	}
	add.Flags().StringVar(&site, "site", "", "`ID` of the site")
	add.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	return group(p, "license", "Monitoring licenses", add)
}
