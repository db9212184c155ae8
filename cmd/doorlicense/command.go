package main

import (
	"encoding/base64"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

func signCommand(d desk) *cobra.Command {
	var key keyFlags
	var out string
	var asJSON bool
	var door, lockdown, text string
	var command telemetry.Command
	cmd := &cobra.Command{
		Use:   "command --key FILE --panel ID --boot B --number N --deadline-ms N {--open DOOR | --lockdown on|off | --text TEXT}",
		Short: "Sign a test command for a panel's command topic",
		Long: `Sign one command as a hub would, for tests: the bytes go to the topic doorpanel/v1/SITE/PANEL/command, not retained. Boot and the monotonic clock
(mono_ms) are in the panel's last status; the deadline lies on that clock. The key's public half stands in [uplink] command_keys.`,
		Example: `  doorlicense command --key command.key --panel am4wegjdp522mtysv237hfzdvm --boot 9f2c --number 1 --deadline-ms 61000 --open front --out open.cose
  mosquitto_pub -q 1 -t doorpanel/v1/home/front/command -f open.cose`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, flag := range []string{"panel", "boot", "number", "deadline-ms"} {
				if !cmd.Flags().Changed(flag) {
					return usage("--%s is missing; see doorlicense command --help", flag)
				}
			}
			switch {
			case text != "" && door == "" && lockdown == "":
				if err := telemetry.CheckText(text); err != nil {
					return usageError{err}
				}
				command.Verb, command.Object = telemetry.VerbText, text
			case text != "":
				return usage("write one of --open, --lockdown and --text")
			case door != "" && lockdown == "":
				command.Verb, command.Object = telemetry.VerbOpen, door
			case door == "" && (lockdown == "on" || lockdown == "off"):
				command.Verb, command.Object = telemetry.VerbLockdown, lockdown
			default:
				return usage("write --open with a door, or --lockdown on, or --lockdown off, or --text with a text")
			}
			if _, err := envelope.ParseThumbprint(command.Panel); err != nil {
				return usageError{err}
			}
			signer, err := d.loadKey(key)
			if err != nil {
				return err
			}
			raw, err := telemetry.SignCommand(command, signer.pub, signer.sign)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return printJSON(d.out, struct {
					Number uint64 `json:"number"`
					Base64 string `json:"base64"`
				}{command.Number, base64.StdEncoding.EncodeToString(raw)})
			case out != "":
				if err := os.WriteFile(out, raw, 0o600); err != nil {
					return fmt.Errorf("cannot write command: %w", err)
				}
				return nil
			}
			_, err = d.out.Write(raw)
			return err
		},
	}
	key.register(cmd, "a command key")
	flags := cmd.Flags()
	flags.StringVar(&command.Panel, "panel", "", "id of the panel")
	flags.StringVar(&command.Boot, "boot", "", "boot id from the panel's last status")
	flags.Uint64Var(&command.Number, "number", 0, "number, used once per key and boot, from 1 up")
	flags.Uint64Var(&command.DeadlineMS, "deadline-ms", 0, "last moment on the panel's monotonic clock, in milliseconds")
	flags.StringVar(&door, "open", "", "`DOOR` to open")
	flags.StringVar(&lockdown, "lockdown", "", "`on` or off: begin or end a lockdown")
	flags.StringVar(&text, "text", "", "`TEXT` for the display, at most 160 characters")
	flags.StringVar(&out, "out", "", "file to write (default: the bytes on the output)")
	flags.BoolVar(&asJSON, "json", false, "print JSON with the bytes in base64")
	return cmd
}
