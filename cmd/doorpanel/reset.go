package main

import (
	"bufio"
	"bytes"
	"cmp"
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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// A reset erases whatever tells of the panel's owner and his people. It is asked for by a marker in the data directory, which
// goes last: however often the power fails in between, the next start goes on with it before anything is opened.
const (
	resetMarker = "reset.asked"
	resetRoom   = "reset.new" // the store that is to be, once it is whole
)

// errReset ends the daemon that was asked to erase its data, so that it starts again without them.
var errReset = errors.New("the panel was reset and starts again")

// resetOrder is what the marker says: for people who look at the directory, nobody else reads it.
type resetOrder struct {
	Via string    `json:"via"` // web or cli; never who it was: he is to be forgotten
	At  time.Time `json:"at"`
}

// askReset writes the marker, durably.
func askReset(data, via string, at time.Time) error {
	text, err := json.Marshal(resetOrder{via, at})
	if err != nil {
		return err
	}
	if err := daemon.WriteDurably(filepath.Join(data, resetMarker), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot reset the panel: %w; nothing was changed", err)
	}
	return nil
}

// finishReset does what a marker asks for, and nothing without one.
func finishReset(config configs.Config, log *slog.Logger) (err error) {
	text, err := os.ReadFile(filepath.Join(config.Data, resetMarker))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot reset the panel: %w", err)
	}
	var order resetOrder
	if json.Unmarshal(text, &order) != nil {
		order = resetOrder{} // a marker without sense is still one
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot finish the reset of the panel: %w; it goes on at the next start", err)
		}
	}()
	// The old store's lock, kept to the end, says that nobody else works in this directory.
	old, _, err := storage.Open(storage.Options{Dir: config.Data, Schema: schema, MaxSize: maxStore, CopyEvery: -1, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if old.ReadOnly() {
		return errors.New("a newer version wrote the store; install that version")
	}
	for _, step := range resetSteps(config, old, order, log) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// resetSteps erase the owner in an order in which each step may be the last before the power fails: done again from the first
// one they come to the same end.
func resetSteps(config configs.Config, old *storage.Store, order resetOrder, log *slog.Logger) []func() error {
	room, store := filepath.Join(config.Data, resetRoom), filepath.Join(config.Data, storeFile)
	fresh := filepath.Join(room, storeFile)
	steps := []func() error{func() error {
		if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return makeFreshStore(config, old, room, log)
	}}
	for _, pattern := range ownersFiles {
		steps = append(steps, func() error { return removeAll(config.Data, pattern) })
	}
	return append(steps,
		// A copy of the old store that lies elsewhere tells nobody a card or a code without this key.
		func() error { return removeAll(config.KeysDir, indexKeyFile) },
		// The next owner has a hub of their own, or none. The old hub sees that the panel is gone.
		func() error { return removeAll(config.KeysDir, hubKeyFile) },
		func() error { return errors.Join(os.Rename(fresh, store), syncDirectory(config.Data)) },
		func() error {
			if err := recordReset(config, order, log); err != nil {
				log.Error("cannot write down that the panel was reset", "cause", err)
			}
			return nil
		},
		func() error { return removeAll(config.Data, resetRoom) },
		func() error { return errors.Join(removeAll(config.Data, resetMarker), syncDirectory(config.Data)) },
	)
}

// ownersFiles are the files of the data directory, beside the store, in which people may be named.
var ownersFiles = []string{
	storeFile + ".*", "." + storeFile + "-*", ".restore-*", "set-aside", "journal",
}

func removeAll(dir, pattern string) error {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	for _, path := range paths {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// makeFreshStore writes a store that holds the license documents and how late it is, and nothing else. It has its name
// only when it is whole.
func makeFreshStore(config configs.Config, old *storage.Store, room string, log *slog.Logger) (err error) {
	keys, err := loadKeys(config.KeysDir)
	if err != nil {
		return err
	}
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: config.Data, Logger: log})
	if err != nil {
		return err
	}
	replay := replayOf(old, journal, func(what, cause string) { log.Warn("not read before the reset", "what", what, "cause", cause) })
	if err := journal.Close(); err != nil {
		return err
	}
	kept, err := gather(newDocumentStore(old), keys, replay.Memory())
	if err != nil {
		log.Warn("not carried over the reset", "cause", err)
	}
	docs, err := withoutOwner(kept.docs, keys)
	if err != nil {
		return err
	}
	draft := filepath.Join(room, "draft")
	if err := errors.Join(os.RemoveAll(room), os.MkdirAll(draft, 0o700)); err != nil {
		return err
	}
	store, _, err := storage.Open(storage.Options{Dir: draft, Schema: schema, MaxSize: maxStore, CopyEvery: -1, Logger: log})
	if err != nil {
		return err
	}
	err = newDocumentStore(store).Keep(docs...)
	if err == nil {
		known := memorySnapshot{Mark: replay.Time.Mark, Ran: replay.Time.Ran, Leapt: replay.Time.Leapt}
		err = storage.NewTable[memorySnapshot](store, memoryTable).Put(snapshotKey, known)
	}
	if word, set, fault := storage.NewTable[clockWord](old, clockTable).Get(wordKey); err == nil && fault == nil && set {
		err = storage.NewTable[clockWord](store, clockTable).Put(wordKey, word)
	}
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(filepath.Join(draft, storeFile), filepath.Join(room, storeFile)), syncDirectory(room), syncDirectory(config.Data))
}

// recordReset begins the new journal.
func recordReset(config configs.Config, order resetOrder, log *slog.Logger) error {
	journal, _, err := storage.OpenJournal(storage.JournalOptions{Dir: config.Data, Logger: log})
	if err != nil {
		return err
	}
	open, personal := agent.Record{
		Boot: newID(8), Now: panel.Now{Wall: time.Now()},
		Entry: panel.Entry{Kind: panel.SystemReset, Detail: cmp.Or(order.Via, "unknown") + ": the panel's key and its licenses stay, its hub does not"},
	}.Encode()
	_, done, err := journal.Append(open, personal)
	if err == nil {
		err = <-done
	}
	return errors.Join(err, journal.Close())
}

func resetCommand() *cobra.Command {
	var p place
	var yes bool
	cmd := &cobra.Command{
		Use: "reset", Short: "Erase people, credentials, buttons, users and journal; the panel's key and licenses stay", Args: cobra.NoArgs,
		Long: "Prepare the panel for another owner: people, cards, codes, schedules, buttons, users, sessions, the journal and every copy\n" +
			"of them are erased. The panel stays the panel it is, with its key and its licenses, and leaves its hub. What stands in the\n" +
			"configuration file stays there: look it over. Backups and what a broker has received are elsewhere and stay, too.",
		Example: "  doorpanel reset --config /etc/doorpanel/doorpanel.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			live := false
			err := withAPI(cmd, p, func(ctx context.Context, a *api) error {
				live = a.live
				return askThePanelToReset(ctx, cmd, a, yes)
			})
			if err == nil && !live {
				err = resetOffline(cmd, p)
			}
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "The panel is reset: its key and its licenses are there, nothing else is, and it belongs to no hub. Look the configuration file over: names in it were not touched.")
			}
			return err
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func askThePanelToReset(ctx context.Context, cmd *cobra.Command, a *api, yes bool) error {
	var status web.Status
	if err := a.call(ctx, http.MethodGet, "/api/v1/status", "", nil, &status); err != nil {
		return err
	}
	if !yes {
		fmt.Fprintf(cmd.ErrOrStderr(), "This erases everybody and everything but the key and the licenses of panel %s, for good.\nType the panel's id to go on: ", status.Panel)
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read the panel's id: %w", err)
		}
		if strings.TrimSpace(line) != status.Panel {
			return errors.New("cannot reset the panel: its id was not typed; nothing was changed")
		}
	}
	return a.callJSON(ctx, http.MethodPost, "/api/v1/reset", map[string]string{"panel": status.Panel}, nil)
}

// resetOffline does at once what a daemon would do on its way out.
func resetOffline(cmd *cobra.Command, p place) (err error) {
	config, err := p.load()
	if err != nil {
		return err
	}
	release, err := daemon.BecomeOwner(config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return finishReset(config, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError})))
}

// withoutOwner leaves out what tells of people: for which accounts licenses are, and how other panels are called. What this panel
// gave away and took stays: it names panels by their ids alone.
func withoutOwner(docs []license.Document, keys deviceKeys) ([]license.Document, error) {
	var kept []license.Document
	for _, doc := range docs {
		if doc.Kind == envelope.Identity {
			continue
		}
		a, err := license.OpenActivation(doc.Raw)
		if doc.Kind == envelope.Activation && err == nil && a.Account != "" && bytes.Equal(a.Panel, keys.public()) {
			a.Account, a.AssignedAt, a.Changes = "", time.Time{}, a.Changes+1
			if doc, err = a.Sign(keys.signMessage); err != nil {
				return nil, err
			}
		}
		kept = append(kept, doc)
	}
	return kept, nil
}
