package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/storage"
)

// A backup is a tar file, compressed with gzip: first what it is, then the keys, then the store. Its keys are the hub's
// identity, so that its panels know it again on another box, and whoever reads the file can be that hub.
const (
	manifestName = "doorhub-backup.json"
	keysPrefix   = "keys/"
	storePrefix  = "store/"
	backupForm   = 1
)

// manifest says what a backup is.
type manifest struct {
	V       int       `json:"v"`
	Made    time.Time `json:"made"`
	Version string    `json:"version"`
	Name    string    `json:"name"` // of the hub
}

// backup writes everything that makes this hub into one file, while it goes on.
func (h *house) backup(_ context.Context, w io.Writer) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	now := time.Now().UTC().Truncate(time.Second)
	about, err := json.Marshal(manifest{backupForm, now, version(), h.settings.name()})
	if err != nil {
		return err
	}
	put := func(name string, content []byte) error {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: now, Format: tar.FormatPAX})
		if err == nil {
			_, err = archive.Write(content)
		}
		return err
	}
	if err := put(manifestName, about); err != nil {
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	for _, name := range keyFiles() {
		content, err := os.ReadFile(filepath.Join(h.config.KeysDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = put(keysPrefix+name, content)
		}
		if err != nil {
			return fmt.Errorf("cannot write the backup: %w", err)
		}
	}
	if err := h.store.Backup(archive, storePrefix, now); err != nil {
		return err
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil { // the bytes are complete only then
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	return nil
}

func backupCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write everything that makes this hub into one file, while it runs", Args: cobra.ExactArgs(1),
		Long: "Write store, events and keys into FILE while the hub goes on. Keep the file like a key: whoever has it can be this hub to its\n" +
			"panels. Secrets of the configuration file are not in it.",
		Example: "  doorhub backup /media/stick/hub-2026-11-22.tar.gz",
		RunE: func(cmd *cobra.Command, args []string) error {
			var size int64
			err := withAPI(cmd, p, func(ctx context.Context, a *api) error {
				return writeThrough(args[0], func(f io.Writer) error {
					counted := &counter{to: f}
					err := a.copy(ctx, "/api/v1/backup", counted)
					size = counted.n
					return err
				})
			})
			if err != nil {
				return fmt.Errorf("cannot make backup: %w", err)
			}
			if err := tryBackup(args[0]); err != nil {
				return errors.Join(fmt.Errorf("cannot make backup: %w", err), os.Remove(args[0]))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d KiB; keep it like a key\n", args[0], (size+1023)/1024)
			return nil
		},
	}
	p.flags(cmd)
	return cmd
}

type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// writeThrough replaces a file, with mode 0600, by what write writes: all of it or nothing.
func writeThrough(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err = write(tmp); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err = errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return daemon.SyncDir(filepath.Dir(path))
}

// tryBackup reads a backup to its end: an answer that broke off is no backup.
func tryBackup(path string) error {
	return readBackup(path, func(string, io.Reader) error { return nil })
}

// readBackup hands over the files of a backup in their order. Its form and its checksum are looked at.
func readBackup(path string, take func(name string, content io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("it is not a backup of a hub: %w", err)
	}
	archive := tar.NewReader(zipped)
	first := true
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is damaged: %w", err)
		}
		if first {
			if header.Name != manifestName || header.Size > 4096 {
				return fmt.Errorf("it is not a backup of a hub: it begins with %.40q", header.Name)
			}
			if err := checkManifest(archive); err != nil {
				return err
			}
			first = false
			continue
		}
		if err := take(header.Name, archive); err != nil {
			return err
		}
	}
	if first {
		return errors.New("it is empty")
	}
	if _, err := io.Copy(io.Discard, zipped); err != nil { // the checksum of all of it stands at the very end
		return fmt.Errorf("it is damaged: %w", err)
	}
	return nil
}

func checkManifest(r io.Reader) error {
	var m manifest
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return fmt.Errorf("cannot read what it is: %w", err)
	}
	if m.V != backupForm {
		return fmt.Errorf("it has form %d, and this program reads %d; use the program that made it (%s)", m.V, backupForm, printable(m.Version))
	}
	return nil
}

func restoreCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Bring a backup back, here or on an empty box; refused while the hub runs", Args: cobra.ExactArgs(1),
		Long: "Put the hub of FILE into the data directory. What is there is set aside, not deleted. Its panels know the restored hub: they\n" +
			"connect again, and send again what was stored after the backup was made, as far as they still have it.",
		Example: "  systemctl stop doorhub && doorhub restore hub-2026-11-22.tar.gz && systemctl start doorhub",
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

func restore(cmd *cobra.Command, config configs.Hub, file string) (err error) {
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return fmt.Errorf("cannot restore: %w", err)
	}
	release, err := daemon.BecomeOwner(config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	trial, err := os.MkdirTemp(config.Data, ".restore-*")
	if err != nil {
		return fmt.Errorf("cannot make room for the backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(trial)) }()
	if err := unpack(file, trial); err != nil {
		return fmt.Errorf("cannot read backup %s: %w; nothing was changed", file, err)
	}
	found, err := store.CheckRestored(store.Options{Dir: filepath.Join(trial, "store")})
	if err == nil && len(found.Notes) > 0 {
		err = fmt.Errorf("%s: %s", found.Notes[0].What, found.Notes[0].Cause)
	}
	if err != nil {
		return fmt.Errorf("cannot use backup %s: %w; nothing was changed", file, err)
	}
	aside, err := setAside(config)
	if err != nil {
		return err
	}
	if err := putInPlace(trial, config); err != nil {
		return fmt.Errorf("cannot restore: %w; what was there is in %s", err, aside)
	}
	if aside != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "what was there: %s\n", aside)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored %s: %d sites, %d panels, %d events\n", file, found.Sites, found.Panels, found.Events)
	return nil
}

// keyFiles are the files of keys_dir that make the hub's identity. The server's certificate is made again.
func keyFiles() []string {
	return []string{hubKeyFile, sealingKeyFile, "authority.key", "authority.pem"}
}

// unpack puts a backup's files into a directory that nobody uses.
func unpack(file, dir string) error {
	known := map[string]bool{}
	for _, name := range keyFiles() {
		known[name] = true
	}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		return err
	}
	err := readBackup(file, func(name string, content io.Reader) error {
		if key, ok := strings.CutPrefix(name, keysPrefix); ok && known[key] {
			raw, err := io.ReadAll(io.LimitReader(content, 1<<16))
			if err != nil {
				return fmt.Errorf("it is damaged: %w", err)
			}
			return daemon.WriteDurably(filepath.Join(dir, "keys", key), raw, 0o600)
		}
		inner, ok := strings.CutPrefix(name, storePrefix)
		if !ok {
			return fmt.Errorf("it holds %.40q, which no backup of a hub has", name)
		}
		return store.RestoreFile(filepath.Join(dir, "store"), inner, content)
	})
	if err != nil {
		return err
	}
	// A hub without its store is empty, and one without its keys is another hub.
	needed := []string{filepath.Join("store", "store.db")}
	for _, name := range keyFiles() {
		needed = append(needed, filepath.Join("keys", name))
	}
	for _, name := range needed {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s is missing in it", filepath.ToSlash(name))
		}
	}
	return nil
}

// setAside moves away what a hub has kept in the data directory, and its keys. Who gets the store's lock knows that none runs.
func setAside(config configs.Hub) (aside string, err error) {
	if _, err := os.Lstat(filepath.Join(config.Data, "store.db")); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	held, _, err := store.Open(store.Options{Dir: config.Data})
	if errors.Is(err, storage.ErrInUse) {
		return "", errors.New("cannot restore: the hub is running; stop it first (systemctl stop doorhub)")
	}
	// A store that cannot be opened is what a backup is for. It is closed before it is moved: it writes its copy then.
	if err == nil {
		if err := held.Close(); err != nil {
			return "", fmt.Errorf("cannot restore: %w", err)
		}
	}
	aside = filepath.Join(config.Data, "set-aside", "before-restore-"+time.Now().UTC().Format("20060102T150405.000000000Z"))
	if err := os.MkdirAll(filepath.Join(aside, "keys"), 0o700); err != nil {
		return "", fmt.Errorf("cannot set aside what is there: %w", err)
	}
	for _, name := range []string{"store.db", "store.db.copy", "store.db.copy.older", "events"} {
		if err := moved(filepath.Join(config.Data, name), filepath.Join(aside, name)); err != nil {
			return aside, err
		}
	}
	for _, name := range append(keyFiles(), "server.key", "server.pem") {
		if err := moved(filepath.Join(config.KeysDir, name), filepath.Join(aside, "keys", name)); err != nil {
			return aside, err
		}
	}
	return aside, nil
}

// moved moves a file or directory, also onto another file system, where there is one.
func moved(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		content, reading := os.ReadFile(from)
		if reading != nil {
			return fmt.Errorf("cannot move %s: %w", from, err)
		}
		err = daemon.WriteDurably(to, content, 0o600)
		if err == nil {
			err = os.Remove(from)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot move %s: %w", from, err)
	}
	return nil
}

// putInPlace brings the restored files to where a hub looks for them. The store comes last: without it there is no hub yet.
func putInPlace(trial string, config configs.Hub) error {
	if err := os.MkdirAll(config.KeysDir, 0o700); err != nil {
		return err
	}
	for _, name := range keyFiles() {
		if err := moved(filepath.Join(trial, "keys", name), filepath.Join(config.KeysDir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"events", "store.db"} {
		if err := moved(filepath.Join(trial, "store", name), filepath.Join(config.Data, name)); err != nil {
			return err
		}
	}
	return errors.Join(daemon.SyncDir(config.KeysDir), daemon.SyncDir(config.Data))
}
