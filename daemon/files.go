package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SecretFile reads a file, or makes it with mode 0600 so that a power cut leaves the whole file or none.
func SecretFile(path string, generate func() ([]byte, error)) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		return content, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	if content, err = generate(); err != nil {
		return nil, fmt.Errorf("cannot make key %s: %w", path, err)
	}
	return content, WriteDurably(path, content, 0o600)
}

// WriteDurably replaces a file by way of a synced temporary one beside it.
func WriteDurably(path string, content []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// SyncDir makes names that were put into a directory, or taken out of it, durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Readable names the first file of a directory with this ending that others than its owner may read, or nothing.
func Readable(dir, ending string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "" // what cannot be read is found by whoever needs it
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ending && info.Mode().Perm()&0o077 != 0 {
			return filepath.Join(dir, e.Name())
		}
	}
	return ""
}

// BecomeOwner lets root work in a data directory as the user whom it belongs to, until restore is called: files of root's
// would keep the daemon from its own data at the next start.
func BecomeOwner(data string) (restore func() error, err error) {
	info, err := os.Stat(data)
	if err != nil {
		return nil, fmt.Errorf("cannot find data directory: %w; name it with --data or --config", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("cannot use %s: it is not a directory; name the data directory with --data or --config", data)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || !known || owner.Uid == 0 {
		return func() error { return nil }, nil
	}
	restore = func() error {
		return errors.Join(syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1))
	}
	err = errors.Join(syscall.Setresgid(-1, int(owner.Gid), -1), syscall.Setresuid(-1, int(owner.Uid), -1))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot work as the owner of %s (user %d): %w", data, owner.Uid, err), restore())
	}
	return restore, nil
}
