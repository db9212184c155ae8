package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/monitor"
)

func TestABackupGoesOnOnAnEmptyBoxAndNothingIsLostOrTwice(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	p := startPanel(t, "Gate", "")
	site := h.watch("House", r)
	h.join(site, p)
	p.badges(0, 20)
	h.refusals(p, 20)

	file := filepath.Join(h.dir, "hub.tar.gz")
	h.works("backup", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// What comes after the backup the hub has acknowledged: after the restore it is asked for again.
	p.badges(20, 35)
	h.refusals(p, 35)
	if code, _, stderr := h.command("", "restore", file); code != 1 || !strings.Contains(stderr, "is running") {
		t.Errorf("a restore into a running hub: exit %d, %s", code, stderr)
	}
	pinned := h.pinned()
	h.kill()

	dir := t.TempDir()
	data := filepath.Join(dir, "another-box")
	config := filepath.Join(dir, "hub.toml")
	if err := os.WriteFile(config, []byte(pinned.text(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runCommand(t, dir, "", "restore", file, "--config", config)
	if code != 0 || !strings.Contains(stdout, "1 sites, 1 panels") {
		t.Fatalf("restore: exit %d\n%s%s", code, stdout, stderr)
	}
	h = startHubIn(t, pinned, dir, data)
	h.waitPresence(p.id, monitor.Online)
	p.badges(35, 40)
	h.refusals(p, 40)
	h.works("events", "verify")
	h.works("audit", "verify")
	if faults := h.panel(p.id).Faults; len(faults) > 0 {
		t.Errorf("the panel is suspected: %+v", faults)
	}
	if out := h.works("order", p.id, "open", "front"); !strings.Contains(out, "did it") {
		t.Error(out)
	}
	var view struct{ Licensed bool }
	h.must(http.StatusOK, "GET", "/sites/"+site, nil).into(t, &view)
	if !view.Licensed {
		t.Error("the license is gone")
	}
}

func TestARestoreSetsAsideWhatIsThere(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	h.site("First")
	file := filepath.Join(h.dir, "hub.tar.gz")
	h.works("backup", file)
	h.site("Second")
	h.stop()
	out := h.works("restore", file)
	if !strings.Contains(out, "before-restore") {
		t.Error(out)
	}
	if list := h.works("sites", "list"); !strings.Contains(list, "First") || strings.Contains(list, "Second") {
		t.Errorf("after the restore there are\n%s", list)
	}
	aside, err := filepath.Glob(filepath.Join(h.data, "set-aside", "before-restore-*", "store.db"))
	if err != nil || len(aside) != 1 {
		t.Errorf("%v, %v", aside, err)
	}
}

func TestADamagedBackupChangesNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	h.site("House")
	file := filepath.Join(h.dir, "hub.tar.gz")
	h.works("backup", file)
	h.stop()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"cut":     whole[:len(whole)/2],
		"no end":  whole[:len(whole)-5],
		"empty":   nil,
		"nothing": []byte("this is no backup"),
		"flipped": func() []byte { b := append([]byte(nil), whole...); b[len(b)/2] ^= 1; return b }(),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := h.command("", "restore", file); code != 1 || !strings.Contains(stderr, "nothing was changed") {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
	if list := h.works("sites", "list"); !strings.Contains(list, "House") {
		t.Error(list)
	}
}

// repacked is a backup whose files are changed and packed again, so that only its content is wrong.
func repacked(t *testing.T, from, to string, change func(name string, content []byte) []byte, more ...string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	zipped, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	put := func(name string, content []byte) {
		t.Helper()
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))})
		if err == nil {
			_, err = archive.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if content = change(header.Name, content); content == nil {
			continue
		}
		put(header.Name, content)
	}
	for _, name := range more {
		put(name, []byte("x"))
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABackupOfSomethingElseChangesNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	h.site("House")
	file, bad := filepath.Join(h.dir, "hub.tar.gz"), filepath.Join(h.dir, "bad.tar.gz")
	h.works("backup", file)
	h.stop()
	for name, change := range map[string]func(name string, content []byte) []byte{
		"a newer form": func(name string, content []byte) []byte {
			return bytes.Replace(content, []byte(`{"v":1,`), []byte(`{"v":2,`), 1)
		},
		"a store that is none": func(name string, content []byte) []byte {
			if name == "store/store.db" {
				return bytes.Repeat([]byte{7}, len(content))
			}
			return content
		},
		"no store": func(name string, content []byte) []byte {
			if strings.HasPrefix(name, "store/") {
				return nil
			}
			return content
		},
		"no keys": func(name string, content []byte) []byte {
			if strings.HasPrefix(name, "keys/") {
				return nil
			}
			return content
		},
	} {
		repacked(t, file, bad, change)
		if code, stdout, stderr := h.command("", "restore", bad); code != 1 || !strings.Contains(stderr, "nothing was changed") {
			t.Errorf("%s: exit %d, %s%s", name, code, stdout, stderr)
		}
	}
	for _, way := range []string{"store/../../escaped", "store/events/../../../escaped", "keys/../../escaped", "/escaped"} {
		repacked(t, file, bad, func(_ string, content []byte) []byte { return content }, way)
		if code, _, stderr := h.command("", "restore", bad); code != 1 || !strings.Contains(stderr, "nothing was changed") {
			t.Errorf("%s: exit %d, %s", way, code, stderr)
		}
	}
	if list := h.works("sites", "list"); !strings.Contains(list, "House") {
		t.Error(list)
	}
	if _, err := os.Lstat(filepath.Join(h.dir, "escaped")); err == nil {
		t.Error("a file was written outside of the data directory")
	}
}
