package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
)

// commands lists everything doorhub can be told to do.
func commands() []*cobra.Command {
	return []*cobra.Command{
		runCommand(), checkCommand(), sitesCommand(), pairCommand(), panelsCommand(), userCommand(), roleCommand(), orderCommand(), licenseCommand(), poolCommand(),
		groupCommand(), packageCommand(), replacementCommand(), ledgerCommand(), eventsCommand(),
		auditCommand(), backupCommand(), restoreCommand(), doctorCommand(), brokerConfigCommand(), versionCommand(),
	}
}

func runCommand() *cobra.Command {
	var p place
	var listen, broker string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the hub",
		Long: "Run the hub until SIGTERM. Without anything: its own broker and certificates, the page on this host alone, everything kept in\n" +
			"./hub-data. The code for the first login is printed on standard error.",
		Example: "  doorhub run\n" +
			"  doorhub run --listen 0.0.0.0:8443 --data /var/lib/doorhub\n" +
			"  doorhub run --config /etc/doorhub/hub.toml\n" +
			"  doorhub run --broker mqtts://broker.example.org",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.load()
			if err == nil && broker != "" {
				config, err = config.WithBroker(broker)
			}
			if err == nil && listen != "" {
				config, err = config.WithPage(listen)
			}
			if err != nil {
				return err
			}
			queue := daemon.NewLogQueue(cmd.ErrOrStderr())
			defer queue.Close()
			return runHub(cmd.Context(), config, cmd.OutOrStdout(), cmd.ErrOrStderr(), newLogger(queue, verbose))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&listen, "listen", "", "`ADDRESS` of the page (default 127.0.0.1:8090); beyond this host by HTTPS")
	cmd.Flags().StringVar(&broker, "broker", "", "`URL` of a broker that is there already, instead of the hub's own")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log every detail")
	return cmd
}

func newLogger(to io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}

func checkCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration and list all its mistakes at once",
		Example: "  doorhub check --config /etc/doorhub/hub.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				path = args[0]
			}
			if path == "" {
				return usageError{errors.New("cannot check configuration: name the file with --config FILE")}
			}
			_, err := configs.LoadHub(path)
			var problems configs.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			if !asJSON {
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s is right.\n", path)
				}
				return err
			}
			mistakes := []mistake{}
			for _, p := range problems {
				mistakes = append(mistakes, mistake{p.Row, p.Column, p.Key, p.Value, p.Cause, p.Remedy})
			}
			if err := printJSON(cmd, map[string]any{"file": path, "mistakes": mistakes}); err != nil || len(mistakes) == 0 {
				return err
			}
			return errSilent
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.Flags().StringVar(&path, "config", os.Getenv("DOORHUB_CONFIG"), "configuration `FILE`")
	return cmd
}

// mistake is one mistake of a configuration for programs.
type mistake struct {
	Row    int    `json:"row"`
	Column int    `json:"column"`
	Key    string `json:"key"`
	Value  string `json:"value"`
	Cause  string `json:"cause"`
	Remedy string `json:"remedy"`
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "doorhub", version()) },
	}
}

func needsSubcommand(cmd *cobra.Command, _ []string) error {
	return usageError{fmt.Errorf("cannot run %s: say what to do; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
}

// group is a command that only has others below it.
func group(p *place, use, short string, below ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	parent.AddCommand(below...)
	return parent
}

func printJSON(cmd *cobra.Command, v any) error {
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// printTable writes rows in columns, for people.
func printTable(cmd *cobra.Command, head string, rows [][]string) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, strings.ReplaceAll(head, " ", "\t"))
	for _, row := range rows {
		for i := range row {
			if row[i] = printable(row[i]); row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	return out.Flush()
}

// printable takes out what would move a terminal's cursor: names come from panels.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '·'
		}
		return r
	}, text)
}
