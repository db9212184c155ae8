package storage

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const maxInt = math.MaxInt

// damageError marks what is wrong with the bytes of a file, as against a disk that refuses.
type damageError struct{ err error }

func (e damageError) Error() string { return e.err.Error() }
func (e damageError) Unwrap() error { return e.err }

func isDamage(err error) bool {
	var d damageError
	return errors.As(err, &d)
}

// openLocked opens or makes the file and holds its lock (flock, which bbolt asks for too) before anyone judges what is
// in it: a file that another process is writing always looks damaged.
func openLocked(path string, wait time.Duration) (*os.File, error) {
	deadline := time.Now().Add(wait)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && sameFile(f, path) {
			return f, nil
		}
		if closeErr := f.Close(); closeErr != nil {
			return nil, closeErr
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, ErrInUse
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// sameFile reports whether the path still names the open file; whoever held the lock may have moved it away.
func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeAtomically writes path so that a crash leaves the old file or the new one.
func writeAtomically(path string, write func(io.Writer) error) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync())
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		return syncDir(filepath.Dir(path))
	}
	return errors.Join(err, removeIfThere(tmp))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// setAside finds a free name under <dir>/set-aside for what was called name and lets put fill it.
func setAside(dir, name string, put func(path string) error) (string, error) {
	aside := filepath.Join(dir, setAsideName)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return "", err
	}
	stamp := time.Now().UTC().Format("20060102T150405Z")
	for n := range 1000 {
		path := filepath.Join(aside, name+"-"+stamp)
		if n > 0 {
			path = fmt.Sprintf("%s-%d", path, n)
		}
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if err := put(path); err != nil {
			return "", err
		}
		return path, syncDir(aside)
	}
	return "", fmt.Errorf("too many files of one second in %s; move them away", aside)
}
