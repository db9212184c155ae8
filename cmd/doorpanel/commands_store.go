package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

func journalCommand() *cobra.Command {
	var p place
	var asJSON bool
	parent := &cobra.Command{Use: "journal", Short: "Verify and export the journal", Args: cobra.NoArgs, RunE: needsSubcommand}
	p.flags(parent)
	verify := &cobra.Command{
		Use: "verify", Short: "Check the chain of the journal and name the first entry that does not fit", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.load()
			if err != nil {
				return err
			}
			report, err := storage.Verify(config.Data)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd, report); err != nil || len(report.Faults) == 0 {
					return err
				}
				return errSilent
			}
			if len(report.Faults) > 0 {
				return fmt.Errorf("cannot vouch for the journal: %s; %d places in all", faultText(report.Faults[0]), len(report.Faults))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d entries, %d to %d, fit. Chain: %s\n", report.Entries, report.First, report.Last, report.Chain)
			return nil
		},
	}
	export := journalExport(&p)
	verify.Flags().BoolVar(&asJSON, "json", false, "answer in JSON")
	parent.AddCommand(verify, export, journalDuress(&p))
	return parent
}

// storeFile is the name of the records inside a backup.
const storeFile = "store.db"

func backupCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write people, credentials, licenses and settings into one file",
		Long: "Write the store into FILE while the panel goes on. The panel's keys and its journal are not in it: cards and codes of the\n" +
			"backup work on this panel only.",
		Example: "  doorpanel backup panel-2026-11-21.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var archive []byte
			var size int
			err := withAPI(cmd, p, func(ctx context.Context, a *api) error {
				image, err := a.image(ctx)
				if err == nil {
					size = len(image)
					archive, err = pack(image)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("cannot make backup: %w", err)
			}
			// Written last, by whoever called and not by the store's owner: the file may lie where only the caller may write.
			if err := daemon.WriteDurably(args[0], archive, 0o600); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d KiB of records\n", args[0], size/1024)
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

// image reads the store as it is at this moment.
func (a *api) image(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+backupPath, nil)
	if err != nil {
		return nil, err
	}
	response, err := a.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("cannot read the store: %w", err)
	}
	defer response.Body.Close()
	image, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the panel answers %s", response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the store: %w", err)
	}
	return image, nil
}

func pack(image []byte) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	err := archive.WriteHeader(&tar.Header{Name: storeFile, Mode: 0o600, Size: int64(len(image)), ModTime: time.Now()})
	if err == nil {
		_, err = archive.Write(image)
	}
	err = errors.Join(err, archive.Close(), zipped.Close()) // the bytes are complete only then
	return out.Bytes(), err
}

func restoreCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Bring a backup back; refused while a daemon runs",
		Long:    "Replace the store by the one in FILE. What is there is set aside, not deleted. The journal goes on.",
		Example: "  systemctl stop doorpanel && doorpanel restore panel-2026-11-21.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := p.load()
			if err != nil {
				return err
			}
			return restore(cmd, config, args[0])
		},
	}
	p.flags(cmd)
	return cmd
}

func restore(cmd *cobra.Command, config configs.Config, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot read backup: %w", err)
	}
	defer f.Close()
	image, err := unpack(f)
	if err != nil {
		return fmt.Errorf("cannot read backup %s: %w; nothing was changed", file, err)
	}
	if err := replaceStore(cmd, config, file, image); err != nil {
		return err
	}
	// From now on the panel opens to whom the backup says. That is a change like any other.
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := openOffline(cmd.Context(), config, log)
	if err != nil {
		return fmt.Errorf("restored %s, but cannot open it: %w", file, err)
	}
	a.tell(panel.Entry{Kind: panel.ConfigIs, Who: "restore", Detail: "store restored from " + filepath.Base(file)})
	if err := a.close(); err != nil {
		return fmt.Errorf("restored %s, but cannot record it: %w", file, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %s\n", file)
	return nil
}

// replaceStore puts the image in the place of the store, which is set aside. Nothing is changed when it fails.
func replaceStore(cmd *cobra.Command, config configs.Config, file string, image []byte) (err error) {
	release, err := daemon.BecomeOwner(config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	// Holding the lock until the end proves that no daemon runs, or begins meanwhile.
	held, _, err := storage.Open(storage.Options{Dir: config.Data, MaxSize: maxStore, Schema: schema, CopyEvery: -1})
	if errors.Is(err, storage.ErrInUse) {
		return errors.New("cannot restore: the daemon is running; stop it first (systemctl stop doorpanel)")
	}
	if err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if image, err = tryImage(config.Data, file, image, held); err != nil {
		return err
	}
	path := filepath.Join(config.Data, storeFile)
	aside := filepath.Join(config.Data, "set-aside", "store.db-before-restore-"+time.Now().UTC().Format("20060102T150405.000000000Z"))
	if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
		return fmt.Errorf("cannot set the present store aside: %w", err)
	}
	if err := os.Link(path, aside); err != nil {
		return fmt.Errorf("cannot set the present store aside: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "the store that was there: %s\n", aside)
	// The copies show the store that is no more: damage later must not bring withdrawn people back.
	for _, copy := range []string{path + ".copy", path + ".copy.older"} {
		if err := os.Remove(copy); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the copy of the present store: %w", err)
		}
	}
	return daemon.WriteDurably(path, image, 0o600)
}

// tryImage opens a backup's store beside the panel's own, checks it, and returns it with what a restore does not set back.
func tryImage(data, file string, image []byte, present *storage.Store) (whole []byte, err error) {
	trial, err := os.MkdirTemp(data, ".restore-*")
	if err != nil {
		return nil, fmt.Errorf("cannot make room for the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
	path := filepath.Join(trial, storeFile)
	if err := daemon.WriteDurably(path, image, 0o600); err != nil {
		return nil, err
	}
	store, notes, err := storage.Open(storage.Options{Dir: trial, MaxSize: maxStore, Schema: schema, CopyEvery: -1})
	if err != nil {
		return nil, fmt.Errorf("cannot use backup %s: %w; nothing was changed", file, err)
	}
	switch {
	case len(notes) > 0:
		err = fmt.Errorf("cannot use backup %s: %s: %s; nothing was changed", file, notes[0].What, notes[0].Cause)
	case store.ReadOnly():
		err = fmt.Errorf("cannot use backup %s: it was made by a newer version, install that version; nothing was changed", file)
	default:
		err = carryOver(present, store)
	}
	if err = errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// maxImage bounds the store inside a backup, in bytes.
const maxImage = maxStore

func unpack(r io.Reader) ([]byte, error) {
	zipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(zipped)
	header, err := archive.Next()
	if err != nil {
		return nil, err
	}
	switch {
	case header.Name != storeFile:
		return nil, fmt.Errorf("it is not a backup of a panel: it begins with %.40q", header.Name)
	case header.Size > maxImage:
		return nil, fmt.Errorf("its store has %d bytes, at most %d are taken", header.Size, maxImage)
	}
	image, err := io.ReadAll(archive)
	if err != nil {
		return nil, err
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(err, errors.New("it holds more than a panel's store"))
	}
	// The checksum of all of it stands at the very end.
	if rest, err := io.Copy(io.Discard, io.LimitReader(zipped, 1<<20)); err != nil || rest == 1<<20 {
		return nil, cmp.Or(err, errors.New("it does not end where it should"))
	}
	return image, nil
}

func doctorCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look at everything a panel needs, and say what is wrong and what to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := []finding{}
			examine(cmd, p, func(f finding) {
				findings = append(findings, f)
				switch {
				case asJSON:
				case f.OK:
					fmt.Fprintf(cmd.OutOrStdout(), "ok   %s\n", f.What)
				default:
					fmt.Fprintf(cmd.OutOrStdout(), "BAD  %s: %s\n", f.What, f.Remedy)
				}
			})
			if asJSON {
				if err := printJSON(cmd, map[string]any{"findings": findings}); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(findings, func(f finding) bool { return !f.OK }) {
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

func examine(cmd *cobra.Command, p place, tell func(finding)) {
	say := telling(tell)
	config, err := p.load()
	if err != nil {
		say(false, "configuration", err.Error())
		return
	}
	say(true, "configuration", "")
	info, err := os.Stat(config.Data)
	if err != nil || !info.IsDir() {
		say(false, "data directory "+config.Data, "it is not there; start the panel once, or name it with --data")
		return
	}
	examineFiles(config, info, say)
	err = withAPI(cmd, p, func(ctx context.Context, a *api) error {
		say(a.live, "daemon runs", "start it: systemctl start doorpanel")
		var status web.Status
		if err := a.call(ctx, http.MethodGet, "/api/v1/status", "", nil, &status); err != nil {
			return err
		}
		examineStatus(status, say)
		return nil
	})
	if err != nil {
		say(false, "panel", err.Error())
	}
}

// telling hands findings on; a remedy is told where something is wrong.
func telling(tell func(finding)) func(ok bool, what, remedy string) {
	return func(ok bool, what, remedy string) {
		if ok {
			remedy = ""
		}
		tell(finding{ok, what, remedy})
	}
}

func examineFiles(config configs.Config, data os.FileInfo, say func(ok bool, what, remedy string)) {
	say(data.Mode().Perm()&0o077 == 0, "data directory is private", fmt.Sprintf("others may look into it (mode %v); chmod 700 %s", data.Mode().Perm(), config.Data))
	open := lookable(config.KeysDir)
	say(open == "", "keys are private", fmt.Sprintf("others may read %s; chmod -R go= %s", open, config.KeysDir))
	report, err := storage.Verify(config.Data)
	switch {
	case err != nil:
		say(false, "journal", err.Error())
	case len(report.Faults) > 0:
		say(false, "journal", faultText(report.Faults[0])+"; doorpanel journal verify --json lists all places")
	default:
		say(true, "journal fits its chain", "")
	}
}

func examineStatus(status web.Status, say func(ok bool, what, remedy string)) {
	say(!status.ReadOnly, "store can be written", "a newer version wrote it; install that version")
	say(status.Trusted, "clock can be trusted", "start time synchronization, or set the clock on the page")
	for _, part := range status.Parts {
		say(part.State != "failed", part.Kind+" "+part.Name+" is "+part.State, cmp.Or(part.Detail, "look again in a moment"))
	}
	for _, note := range status.Notes {
		say(false, "found at the start", note)
	}
}

// examineItself is what doctor would find, asked by the panel itself.
func (h *house) examineItself() []finding {
	findings := []finding{}
	say := telling(func(f finding) { findings = append(findings, f) })
	info, err := os.Stat(h.config.Data)
	if err != nil {
		say(false, "data directory", err.Error())
	} else {
		examineFiles(h.config, info, say)
	}
	examineStatus(h.webStatus(), say)
	return findings
}

// lookable names the first file of a directory that others than its owner may read, or the directory itself.
func lookable(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "" // what cannot be read is found by whoever needs it
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".key") && info.Mode().Perm()&0o077 != 0 {
			return filepath.Join(dir, e.Name())
		}
	}
	return ""
}

func faultText(f storage.Fault) string {
	return fmt.Sprintf("entry %d does not fit (%s at byte %d): %s", f.Seq, f.Segment, f.Offset, f.Why)
}

func needsSubcommand(cmd *cobra.Command, _ []string) error {
	return usageError{fmt.Errorf("cannot run %s: say what to do; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
}

func printJSON(cmd *cobra.Command, v any) error {
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(v)
}
