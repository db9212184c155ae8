package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/qr"
)

// poolFlags are what the commands that move licenses have in common.
type poolFlags struct {
	place    *place
	asJSON   bool
	yes      bool
	preview  bool
	feature  string
	to, file string
}

// orderAnswer is what the API says to an order.
type orderAnswer struct {
	Result  license.Result       `json:"result"`
	Message string               `json:"message"`
	Panel   string               `json:"panel,omitempty"`
	Name    string               `json:"name,omitempty"`
	Before  int                  `json:"before"`
	After   int                  `json:"after"`
	Stops   []web.StoppingButton `json:"stops"`
	Code    string               `json:"code,omitempty"`
}

// orderRequest is what the API is asked.
type orderRequest struct {
	To      string `json:"to,omitempty"`
	Feature string `json:"feature,omitempty"`
	Count   int    `json:"count,omitempty"`
	Preview bool   `json:"preview,omitempty"`
	Confirm []int  `json:"confirm,omitempty"`
}

// poolCommands share licenses out, give them back and up, and show again what was made for other panels.
func poolCommands(p *place) []*cobra.Command {
	f := &poolFlags{place: p}
	slice := &cobra.Command{
		Use: "slice [LICENSE] COUNT --to IDENTITY|@FILE|PANEL", Short: "Give a part of a license to another panel", Args: cobra.RangeArgs(1, 2),
		Long: "Give COUNT of a license's buttons (or another counted feature) to another panel. They are deducted here first, then the code\n" +
			"for the other panel is printed: it may be shown as often as is needed, and is counted once. The other panel says who it is with\n" +
			"\"doorpanel license identity\"; a panel that was shown here before may be named by its id. LICENSE may be left out where this\n" +
			"panel has one license only; the beginning of its id is enough.",
		Example: "  doorpanel license slice 4 --to @stairs-b.txt --out stairs-b.png\n  doorpanel license slice 8d0c 30 --to 'DI1:...' --preview",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.to == "" {
				return usageError{errors.New("cannot give: say to whom with --to, the text or @FILE of the other panel's \"doorpanel license identity\"")}
			}
			to, err := textOrFile(f.to)
			if err != nil {
				return err
			}
			return f.move(cmd, args, "give", to, func(l web.LicenseView) bool { return l.GivenBy == "" && len(l.Pools) > 0 })
		},
	}
	slice.Flags().StringVar(&f.to, "to", "", "identity of the receiving panel (DI1:...), `@FILE` with it, or the id of a known panel")
	back := &cobra.Command{
		Use: "return [LICENSE] COUNT", Short: "Give a part of a share back to the panel it came from", Args: cobra.RangeArgs(1, 2),
		Example: "  doorpanel license return 2",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.move(cmd, args, "return", "", func(l web.LicenseView) bool { return l.GivenBy != "" })
		},
	}
	release := &cobra.Command{
		Use: "release LICENSE", Short: "Undo an activation, within seven days, so that another panel can have the license", Args: cobra.ExactArgs(1),
		Example: "  doorpanel license release 8d0c --out license.png",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *p, func(ctx context.Context, a *api) error {
				id, err := licenseNamed(ctx, a, args[0])
				if err != nil {
					return err
				}
				return f.order(ctx, cmd, a, "/api/v1/licenses/"+id+"/release", orderRequest{})
			})
		},
	}
	for _, cmd := range []*cobra.Command{slice, back} {
		cmd.Flags().StringVar(&f.feature, "feature", license.Buttons, "what is moved")
	}
	for _, cmd := range []*cobra.Command{slice, back, release} {
		cmd.Flags().BoolVar(&f.yes, "yes", false, "also when call buttons stop")
		cmd.Flags().BoolVar(&f.preview, "preview", false, "say what would happen, and change nothing")
		cmd.Flags().StringVar(&f.file, "out", "", "picture of the code to draw, .png or .svg")
	}
	identity, codes, assign := identityCommand(f), codesCommand(f), assignCommand(f)
	all := []*cobra.Command{slice, back, release, assign, identity, codes}
	for _, cmd := range all {
		cmd.Flags().BoolVar(&f.asJSON, "json", false, "answer in JSON")
	}
	return all
}

func identityCommand(f *poolFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "identity", Short: "Print who this panel is, for the panel that is to give it something", Args: cobra.NoArgs,
		Example: "  doorpanel license identity > stairs-b.txt\n  doorpanel license identity --out stairs-b.png",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *f.place, func(ctx context.Context, a *api) error {
				var who web.PanelIdentity
				if err := a.call(ctx, http.MethodGet, "/api/v1/identity", "", nil, &who); err != nil {
					return err
				}
				if err := drawCode(f.file, who.Text); err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, who)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "panel %s %s\n", who.Panel, who.Name)
				fmt.Fprintln(cmd.OutOrStdout(), who.Text)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&f.file, "out", "", "picture of the code to draw, .png or .svg")
	return cmd
}

func codesCommand(f *poolFlags) *cobra.Command {
	return &cobra.Command{
		Use: "codes", Short: "Print again the codes that were made for other panels; nothing is counted twice", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAPI(cmd, *f.place, func(ctx context.Context, a *api) error {
				var answer struct {
					Codes []web.PoolCode `json:"codes"`
				}
				if err := a.call(ctx, http.MethodGet, "/api/v1/licenses/codes", "", nil, &answer); err != nil {
					return err
				}
				if f.asJSON {
					return printJSON(cmd, answer)
				}
				if len(answer.Codes) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "No code was made for another panel.")
				}
				for _, c := range answer.Codes {
					fmt.Fprintf(cmd.OutOrStdout(), "%s of license %s for %s: %d %s\n%s\n", c.Kind, c.License, cmp.Or(c.Name, c.Panel, "any panel"), c.Count, c.Feature, c.Text)
				}
				return nil
			})
		},
	}
}

func assignCommand(f *poolFlags) *cobra.Command {
	return &cobra.Command{
		Use: "assign LICENSE ACCOUNT", Short: "Say for which user a license is that belongs to an account", Args: cobra.ExactArgs(2),
		Example: "  doorpanel license assign 8d0c ines",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAPI(cmd, *f.place, func(ctx context.Context, a *api) error {
				id, err := licenseNamed(ctx, a, args[0])
				if err != nil {
					return err
				}
				var answer struct {
					Result  license.Result `json:"result"`
					Message string         `json:"message"`
				}
				err = a.callJSON(ctx, http.MethodPut, "/api/v1/licenses/"+id+"/account", map[string]string{"account": args[1]}, &answer)
				if err != nil {
					return refusedOrder(cmd, err, f.asJSON)
				}
				if f.asJSON {
					return printJSON(cmd, answer)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", answer.Result, answer.Message)
				return nil
			})
		},
	}
}

// move gives, or gives back, COUNT of the license that is named or the only one it can be.
func (f *poolFlags) move(cmd *cobra.Command, args []string, how, to string, fits func(web.LicenseView) bool) error {
	count, err := strconv.Atoi(args[len(args)-1])
	if err != nil || count < 1 {
		return usageError{fmt.Errorf("cannot %s %q: say how many, 1 or more", how, args[len(args)-1])}
	}
	return withAPI(cmd, *f.place, func(ctx context.Context, a *api) error {
		id := ""
		if len(args) == 2 {
			id, err = licenseNamed(ctx, a, args[0])
		} else {
			id, err = onlyLicense(ctx, a, fits)
		}
		if err != nil {
			return err
		}
		return f.order(ctx, cmd, a, "/api/v1/licenses/"+id+"/"+how, orderRequest{To: to, Feature: f.feature, Count: count})
	})
}

// order looks at what would happen, and does it when nobody is left without a button who was not named.
func (f *poolFlags) order(ctx context.Context, cmd *cobra.Command, a *api, path string, request orderRequest) error {
	var answer orderAnswer
	request.Preview = true
	if err := a.callJSON(ctx, http.MethodPost, path, request, &answer); err != nil {
		return refusedOrder(cmd, err, f.asJSON)
	}
	if !f.preview {
		if len(answer.Stops) > 0 && !f.yes {
			return fmt.Errorf("%s would stop; nothing was changed, add --yes when that is right", stopping(answer.Stops))
		}
		request.Preview = false
		for _, b := range answer.Stops {
			request.Confirm = append(request.Confirm, b.Number)
		}
		if err := a.callJSON(ctx, http.MethodPost, path, request, &answer); err != nil {
			return refusedOrder(cmd, err, f.asJSON)
		}
	}
	// Drawn after the fact: a code whose picture cannot be written is printed all the same.
	drawn := drawCode(f.file, answer.Code)
	if f.asJSON {
		return errors.Join(printJSON(cmd, answer), drawn)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), answer.Message)
	if len(answer.Stops) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s stop.\n", stopping(answer.Stops))
	}
	if answer.Code != "" {
		fmt.Fprintln(cmd.OutOrStdout(), answer.Code)
	}
	return drawn
}

// refusedOrder puts a refusal into the words of the API.
func refusedOrder(cmd *cobra.Command, err error, asJSON bool) error {
	var problem problemDetails
	if !errors.As(err, &problem) {
		return err
	}
	result := problem.Type[strings.LastIndexAny(problem.Type, "/:#")+1:]
	if asJSON {
		return errors.Join(printJSON(cmd, map[string]string{"result": result, "title": problem.Title, "message": problem.Detail}), errSilent)
	}
	return fmt.Errorf("%s: %s: %s", result, problem.Title, problem.Detail)
}

func storedLicenses(ctx context.Context, a *api) ([]web.LicenseView, error) {
	var answer struct {
		Licenses []web.LicenseView `json:"licenses"`
	}
	err := a.call(ctx, http.MethodGet, "/api/v1/licenses", "", nil, &answer)
	return answer.Licenses, err
}

// licenseNamed finds the license whose id begins so.
func licenseNamed(ctx context.Context, a *api, start string) (string, error) {
	list, err := storedLicenses(ctx, a)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, l := range list {
		if start != "" && strings.HasPrefix(l.ID, strings.ToLower(start)) {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	switch ids = slices.Compact(ids); {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) == 0:
		return "", fmt.Errorf("cannot find a license whose id begins with %q: doorpanel license list names them", start)
	}
	return "", fmt.Errorf("cannot tell which license is meant: %s begin with %q; write more of the id", strings.Join(ids, " and "), start)
}

// onlyLicense is the one license that an order can mean.
func onlyLicense(ctx context.Context, a *api, fits func(web.LicenseView) bool) (string, error) {
	list, err := storedLicenses(ctx, a)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(l web.LicenseView) bool { return !fits(l) })
	if len(list) != 1 {
		return "", fmt.Errorf("cannot tell which license is meant: %d come into question; name one by its id, doorpanel license list has them", len(list))
	}
	return list[0].ID, nil
}

// textOrFile takes a text as it stands, or from @FILE.
func textOrFile(arg string) (string, error) {
	name, file := strings.CutPrefix(arg, "@")
	if !file {
		return arg, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the other panel's identity: %w", err)
	}
	defer f.Close()
	raw, err := readLicense(name, f)
	if err != nil {
		return "", err
	}
	if kind := http.DetectContentType(raw); kind == "image/png" || kind == "image/jpeg" {
		return qr.ReadBytes(raw)
	}
	return strings.TrimSpace(string(raw)), nil
}

// drawCode writes a picture of a code, when one was asked for.
func drawCode(file, text string) error {
	if file == "" || text == "" {
		return nil
	}
	options := qr.Options{Scale: 8, Level: qr.Q}
	if len(text) > 600 {
		options.Level = qr.L
	}
	var picture []byte
	var err error
	switch strings.ToLower(filepath.Ext(file)) {
	case ".png":
		picture, err = qr.PNG(text, options)
	case ".svg":
		var svg string
		svg, err = qr.SVG(text, options)
		picture = []byte(svg)
	default:
		err = errors.New("its name must end in .png or .svg")
	}
	if err == nil {
		err = daemon.WriteDurably(file, picture, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot draw the code as %s: %w; \"doorpanel license codes\" prints it again", file, err)
	}
	return nil
}

// overviewLine is a line of the entitlements as the API says it.
type overviewLine struct {
	Title     string         `json:"title"`
	Counted   bool           `json:"counted"`
	Status    license.Status `json:"status"`
	Until     string         `json:"until"`
	Maximum   int            `json:"maximum"`
	Used      int            `json:"used"`
	Available int            `json:"available"`
	Why       string         `json:"why"`
	From      []struct {
		License string `json:"license"`
		Label   string `json:"label"`
	} `json:"from"`
}

func (l overviewLine) row() string {
	until, counts := "", "\t\t"
	if l.Status != license.Missing {
		until = cmp.Or(strings.SplitN(l.Until, "T", 2)[0], "no end")
	}
	if l.Counted {
		counts = fmt.Sprintf("%d\t%d\t%d", l.Maximum, l.Used, l.Available)
	}
	var from []string
	for _, s := range l.From {
		from = append(from, cmp.Or(s.Label, s.License[:min(8, len(s.License))]))
	}
	return strings.Join([]string{l.Title, string(l.Status), until, counts, strings.Join(from, ", "), l.Why}, "\t")
}

// printOverview shows what the licenses give, feature by feature.
func printOverview(cmd *cobra.Command, lines []overviewLine) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "FEATURE\tSTATUS\tUNTIL\tMAXIMUM\tUSED\tAVAILABLE\tFROM\tWHY")
	for _, l := range lines {
		fmt.Fprintln(table, l.row())
	}
	return table.Flush()
}
