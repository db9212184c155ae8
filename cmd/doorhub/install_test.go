package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheInstallerInstallsAHubThatRuns lets the installer change a copy of this system, which is an overlay that is forgotten.
func TestTheInstallerInstallsAHubThatRuns(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("users are made and file systems mounted here, for which only root may ask; run: sudo --preserve-env=PATH make test")
	}
	out, err := exec.Command(filepath.Join("..", "..", "scripts", "try-install-hub.sh"), hubProgram).CombinedOutput()
	said := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if strings.Contains(said, "there is no systemd-analyze here") {
		t.Log("left out: systemd-analyze is not installed, so nobody has read the unit")
	}
	first, rest, _ := strings.Cut(said, "== again")
	again, installed, _ := strings.Cut(rest, "== installed")
	if strings.Count(first, "installed    ") != 3 || strings.Contains(again, "installed    ") || !strings.Contains(again, "kept         /etc/doorhub/hub.toml") {
		t.Errorf("it installs at first three files, and nothing the second time:\n%s", said)
	}
	for _, line := range []string{
		"drwxr-x--- root doorhub /etc/doorhub\n", "-rw-r----- root doorhub /etc/doorhub/hub.toml\n", "-rwxr-xr-x root root /usr/local/bin/doorhub\n",
		`{"ready":true,"web":"https://`, "it ended in good order\n", "drwx------ doorhub doorhub /var/lib/doorhub\n",
		"-rw------- doorhub doorhub /var/lib/doorhub/keys/authority.key\n", "-rw------- doorhub doorhub /var/lib/doorhub/keys/hub.key\n",
	} {
		if !strings.Contains(installed, line) {
			t.Errorf("there is no %q in\n%s", strings.TrimSpace(line), installed)
		}
	}
}
