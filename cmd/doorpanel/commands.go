package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
)

// commands lists everything doorpanel can be told to do.
func commands() []*cobra.Command {
	return append([]*cobra.Command{
		runCommand(), checkCommand(), licenseCommand(), hubCommand(), clockCommand(), peopleCommand(), presenceCommand(), journalCommand(), duressCommand(), backupCommand(), restoreCommand(), bundleCommand(),
		resetCommand(), lockdownCommand(), doctorCommand(), versionCommand(), guardCommand(),
	}, demoCommands()...)
}

// isCobraUsage recognizes the errors that cobra itself makes of a wrong call.
func isCobraUsage(err error) bool {
	text := err.Error()
	for _, start := range []string{"unknown command", "unknown flag", "accepts ", "requires at least", "required flag", "invalid argument"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

func newLogger(to io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}

// loadConfig reads the file, or takes simulated hardware and ./data when none is named.
func loadConfig(path string) (configs.Config, configs.Problems, error) {
	if path == "" {
		return configs.Default(), nil, nil
	}
	config, err := configs.Load(path)
	var problems configs.Problems
	if errors.As(err, &problems) {
		return config, problems, nil
	}
	return config, nil, err
}

func runCommand() *cobra.Command {
	var path string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the panel",
		Long:  "Run the panel until SIGTERM. Without --config: simulated hardware, everything kept in ./data.",
		Example: "  doorpanel run\n" +
			"  doorpanel run --config /etc/doorpanel/doorpanel.toml",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			queue := daemon.NewLogQueue(cmd.ErrOrStderr())
			defer queue.Close()
			log := newLogger(queue, verbose)
			config, problems, err := loadConfig(path)
			if err != nil {
				return err
			}
			if len(problems) > 0 {
				return runBroken(cmd.Context(), path, config, problems, cmd.OutOrStdout(), cmd.ErrOrStderr(), log)
			}
			return runPanel(cmd.Context(), config, cmd.OutOrStdout(), log, extras{logged: queue.Recent})
		},
	}
	cmd.Flags().StringVar(&path, "config", os.Getenv("DOORPANEL_CONFIG"), "configuration `FILE`")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log every detail")
	return cmd
}

func checkCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration and list all its mistakes at once",
		Example: "  doorpanel check --config /etc/doorpanel/doorpanel.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				path = args[0]
			}
			if path == "" {
				return usageError{errors.New("cannot check configuration: name the file with --config FILE")}
			}
			config, problems, err := loadConfig(path)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				if err := printJSON(cmd, map[string]any{"file": path, "mistakes": mistakesOf(problems), "notes": append([]string{}, config.Notes()...)}); err != nil || len(problems) == 0 {
					return err
				}
				return errSilent
			case len(problems) > 0:
				return problems
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is right.\n", path)
			for _, note := range config.Notes() {
				fmt.Fprintln(cmd.OutOrStdout(), "note:", note)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	cmd.Flags().StringVar(&path, "config", os.Getenv("DOORPANEL_CONFIG"), "configuration `FILE`")
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

func mistakesOf(problems configs.Problems) []mistake {
	list := []mistake{}
	for _, p := range problems {
		list = append(list, mistake{p.Row, p.Column, p.Key, p.Value, p.Cause, p.Remedy})
	}
	return list
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "doorpanel", version()) },
	}
}
