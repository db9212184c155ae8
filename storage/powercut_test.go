package storage_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// powercut builds and runs scripts/powercut on a real ext4.
func powercut(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to mount disk images")
	}
	for _, tool := range []string{"qemu-storage-daemon", "fusermount3", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install -y qemu-system-common fuse3 e2fsprogs", tool)
		}
	}
	dir := filepath.Join("..", "scripts", "powercut")
	program := filepath.Join(t.TempDir(), "powercut")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command("./run.sh", args...)
	run.Dir = dir
	run.Env = append(os.Environ(), "POWERCUT="+program)
	out, err := run.CombinedOutput()
	return string(out), err
}

func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	out, err := powercut(t, "8")
	if err != nil || strings.Count(out, " bad 0 ") != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A test that cannot fail proves nothing: without the syncs it must.
func TestPowerCutWithoutSyncIsFound(t *testing.T) {
	out, err := powercut(t, "4", "nosync")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || strings.Count(out, "LOST:") < 2 {
		t.Fatalf("%v\n%s", err, out)
	}
}
