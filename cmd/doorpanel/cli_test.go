package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// said is what a command answered.
type said struct {
	code        int
	out, stderr string
}

func (s said) String() string {
	return fmt.Sprintf("exit code %d\nstdout: %s\nstderr: %s", s.code, s.out, s.stderr)
}

// tell runs a command of the program with its input.
func tell(t *testing.T, input []byte, args ...string) said {
	t.Helper()
	c := exec.Command(program, args...)
	c.Dir, c.Stdin = t.TempDir(), bytes.NewReader(input)
	var out, stderr strings.Builder
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return said{c.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// cli runs a command for this panel, whether it runs or not.
func (p *panelProcess) cli(args ...string) said {
	p.t.Helper()
	return tell(p.t, nil, append(args, "--config", filepath.Join(p.dir, "doorpanel.toml"))...)
}

// cliMust is cli for a command that must succeed.
func (p *panelProcess) cliMust(args ...string) string {
	p.t.Helper()
	s := p.cli(args...)
	if s.code != 0 {
		p.t.Fatalf("doorpanel %q: %v", args, s)
	}
	return s.out
}

// cliFails is cli for a command that must be refused with these words.
func (p *panelProcess) cliFails(want string, args ...string) said {
	p.t.Helper()
	s := p.cli(args...)
	if s.code != 1 || !strings.Contains(s.stderr, want) {
		p.t.Errorf("doorpanel %q: want exit code 1 and %q, not %v", args, want, s)
	}
	return s
}

func saved(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type refusedLicense struct{ Result, Title, Message string }

func TestCommandsSayTheSameAsTheAPIWithAndWithoutADaemon(t *testing.T) {
	t.Parallel()
	root, stranger := newSigner(t), newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	revoked := token(grant(license.Buttons, 9))
	p.activate(root.revocation(t, 1, revoked.ID))
	bound := token(grant(license.Buttons, 9))
	other := envelope.ThumbprintOf(stranger.pub)
	bound.Subject = other[:]
	_, raw, err := envelope.Unarmor(root.license(t, token(grant(license.Buttons, 9))))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	refused := map[string]string{
		"malformed": "DP1:THIS IS NOT A LICENSE", "forged": envelope.Armor(envelope.License, raw),
		"unknown-issuer": stranger.license(t, token(grant(license.Buttons, 9))),
		"revoked":        root.license(t, revoked), "other-panel": root.license(t, bound),
	}
	words := map[string]refusedLicense{}
	for result, text := range refused {
		slug, title, detail := p.api("POST", "/licenses", object{"token": text}).problem(t)
		words[result] = refusedLicense{slug, title, detail}
	}
	first, second := token(grant(license.Buttons, 2)), token(grant(license.AccessBasic, 1))
	first.Label = "Villa Rosa"
	good := []string{root.license(t, first), root.license(t, second)}

	for n, way := range []string{"daemon", "no daemon"} {
		for result, text := range refused {
			s := p.cli("license", "add", text, "--json")
			var got refusedLicense
			if err := json.Unmarshal([]byte(s.out), &got); err != nil || s.code != 1 || got != words[result] || s.stderr != "" {
				t.Errorf("%s, %s: %+v, the API says %+v, %v", way, result, got, words[result], s)
			}
			want := fmt.Sprintf("doorpanel: %s: %s: %s\n", words[result].Result, words[result].Title, words[result].Message)
			if s := p.cli("license", "add", text); s.code != 1 || s.stderr != want || s.out != "" {
				t.Errorf("%s, %s: want %q, not %v", way, result, want, s)
			}
		}
		if out := p.cliMust("license", "add", good[n]); !strings.HasPrefix(out, "activated: ") {
			t.Errorf("%s: %s", way, out)
		}
		var again struct{ Result, Message string }
		if err := json.Unmarshal([]byte(p.cliMust("license", "add", good[n], "--json")), &again); err != nil || again.Result != "already_active" || again.Message == "" {
			t.Errorf("%s: %+v %v", way, again, err)
		}
		table := p.cliMust("license", "list")
		for _, want := range []string{first.ID.String(), "buttons=2", "active", "no end", "Villa Rosa"} {
			if !strings.Contains(table, want) {
				t.Errorf("%s: the list says nothing of %q:\n%s", way, want, table)
			}
		}
		var list struct {
			Licenses []struct {
				ID        string
				Activated time.Time
				Grants    map[string]int
			}
		}
		if err := json.Unmarshal([]byte(p.cliMust("license", "list", "--json")), &list); err != nil || len(list.Licenses) != n+1 {
			t.Fatalf("%s: %+v %v", way, list, err)
		}
		for _, l := range list.Licenses {
			if l.Activated.IsZero() || l.Grants["buttons"] != 2 && l.Grants["access_basic"] != 1 {
				t.Errorf("%s: %+v", way, list)
			}
		}

		name := []string{"Anna Rossi", "Marco Bianchi"}[n]
		csv := saved(t, "flats.csv", fmt.Appendf(nil, "name,note,card,code\n%s,floor %d,04:A1:B2:C%d,draw\n", name, n, n))
		if out := p.cliMust("people", "import", "--dry-run", csv); out != "added    "+name+" (line 2): a card, a drawn code\n1 people would be added, 0 changed, 0 removed; 0 are as they are in the list.\n" {
			t.Errorf("%s: %q", way, out)
		}
		if out := p.cliMust("people", "import", csv); !strings.HasPrefix(out, name+",") || len(out) != len(name)+1+6+1 {
			t.Errorf("%s: the drawn code: %q", way, out)
		}
		if out := p.cliMust("people", "export"); !strings.Contains(out, name+",floor "+fmt.Sprint(n)+",,,all,1,1\n") || strings.Contains(out, "A1B2C") {
			t.Errorf("%s: %s", way, out)
		}
		var people struct{ People []struct{ Name string } }
		if err := json.Unmarshal([]byte(p.cliMust("people", "export", "--json")), &people); err != nil || len(people.People) != n+1 {
			t.Errorf("%s: %+v %v", way, people, err)
		}

		lines := strings.Split(strings.TrimSpace(p.cliMust("journal", "export")), "\n")
		for i, line := range lines {
			var e entry
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != uint64(i+1) {
				t.Fatalf("%s: line %d of the journal is %s: %v", way, i, line, err)
			}
		}
		if out := p.cliMust("journal", "verify"); !strings.Contains(out, " fit. Chain: ") {
			t.Errorf("%s: %s", way, out)
		}
		var report struct {
			Entries uint64
			Faults  []any
		}
		if err := json.Unmarshal([]byte(p.cliMust("journal", "verify", "--json")), &report); err != nil || report.Entries < uint64(len(lines)) || len(report.Faults) > 0 {
			t.Errorf("%s: %+v %v", way, report, err)
		}
		if doctor := p.cli("doctor"); strings.Contains(doctor.out, "BAD  daemon runs") == (way == "daemon") || !strings.Contains(doctor.out, "ok   journal") {
			t.Errorf("%s: %v", way, doctor)
		}
		var findings struct {
			Findings []struct {
				OK           bool
				What, Remedy string
			}
		}
		if s := p.cli("doctor", "--json"); json.Unmarshal([]byte(s.out), &findings) != nil || len(findings.Findings) < 6 || s.stderr != "" {
			t.Errorf("%s: %v", way, s)
		}
		for _, f := range findings.Findings {
			if f.OK != (f.Remedy == "") {
				t.Errorf("%s: %+v", way, f)
			}
		}
		if way == "daemon" {
			p.stop()
		}
	}
	p = p.restart()
	if got := p.buttons(); got != 3 {
		t.Errorf("%d buttons are usable, want 3", got)
	}
	p.badge("front-in", "04A1B2C1")
	p.opens("front")
}

func TestLicenseIsTakenFromTextPictureAndInput(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	config := filepath.Join(p.dir, "doorpanel.toml")
	usable := 1
	for _, way := range []string{"text", "PNG", "JPEG", "input", "picture on the input", "pipe"} {
		text := root.license(t, token(grant(license.Buttons, 1)))
		asPNG, asJPEG := pictures(t, text)
		var s said
		switch way {
		case "text":
			s = p.cli("license", "add", saved(t, "license.txt", []byte(text+"\r\n")))
		case "PNG":
			s = p.cli("license", "add", saved(t, "license.png", asPNG.raw))
		case "JPEG":
			s = p.cli("license", "add", saved(t, "no ending", asJPEG.raw))
		case "input":
			s = tell(t, []byte(text+"\n"), "license", "add", "-", "--config", config)
		case "picture on the input":
			s = tell(t, asPNG.raw, "license", "add", "-", "--config", config)
		case "pipe":
			s = tell(t, []byte(text), "license", "add", "/dev/stdin", "--config", config)
		}
		if usable++; s.code != 0 || p.buttons() != usable {
			t.Errorf("%s: %d buttons, %v", way, p.buttons(), s)
		}
	}
	for _, c := range []struct {
		want, arg string
		input     []byte
	}{
		{"there is no such file", "licence.png", nil},
		{"is a directory", t.TempDir(), nil},
		{"malformed: ", "hello", nil},
		{"malformed", saved(t, "empty.txt", nil), nil},
		{"malformed", "-", nil},
		{"larger than 4 MiB", saved(t, "huge.png", make([]byte, 4<<20+1)), nil},
		{"larger than 4 MiB", "-", bytes.Repeat([]byte("A"), 4<<20+1)},
		{"more than", saved(t, "long.txt", bytes.Repeat([]byte("A"), 200_000)), nil},
		{"neither a text nor", saved(t, "license.bin", []byte{0xff, 0xfe, 0x00}), nil},
		{"malformed", saved(t, "cut.png", []byte("\x89PNG\r\n\x1a\n....")), nil},
	} {
		s := tell(t, c.input, "license", "add", c.arg, "--config", config)
		if s.code != 1 || !strings.Contains(s.stderr, c.want) || s.out != "" {
			t.Errorf("%s: want %q, not %v", c.arg, c.want, s)
		}
	}
	if got := p.buttons(); got != usable {
		t.Errorf("after refusals %d buttons are usable, want %d", got, usable)
	}
}

func TestWrongCallsOfCommandsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"license"}, {"license", "bogus"}, {"license", "add"}, {"license", "add", "a", "b"}, {"license", "list", "x"}, {"license", "list", "--jsn"},
		{"license", "list", "--json=perhaps"}, {"people"}, {"people", "import"}, {"people", "export", "x"}, {"backup"}, {"backup", "a", "b"},
		{"restore"}, {"journal"}, {"journal", "verify", "x"}, {"journal", "export", "--after"}, {"doctor", "me"}, {"check"}, {"check", "a", "b"},
		{"version", "x"}, {"run", "--data", "x"}, {"guard", "x"}, {"demo", "x"},
	} {
		if s := tell(t, nil, args...); s.code != 2 || s.out != "" || !strings.HasPrefix(s.stderr, "doorpanel: ") || strings.Contains(s.stderr, "goroutine") {
			t.Errorf("doorpanel %q: want exit code 2, not %v", args, s)
		}
	}
}

func TestEveryCommandHelpsAndGuardIsNotForPeople(t *testing.T) {
	t.Parallel()
	help := tell(t, nil, "--help")
	for _, name := range []string{"run", "demo", "check", "license", "people", "backup", "restore", "journal", "doctor", "version"} {
		if !strings.Contains(help.out, "\n  "+name+" ") {
			t.Errorf("the help says nothing of %s:\n%s", name, help.out)
		}
		if s := tell(t, nil, name, "--help"); s.code != 0 || !strings.Contains(s.out, "doorpanel "+name) {
			t.Errorf("doorpanel %s --help: %v", name, s)
		}
	}
	if help.code != 0 || strings.Contains(help.out, "guard") || strings.Contains(help.out, "completion") {
		t.Error(help)
	}
	if s := tell(t, nil, "guard"); s.code != 0 || s.out != "" {
		t.Errorf("a guard whose panel is gone has nothing to do: %v", s)
	}
	if s := tell(t, []byte("open the door please\n"), "guard"); s.code != 1 || strings.Contains(s.stderr, "goroutine") {
		t.Errorf("a guard that is told nonsense: %v", s)
	}
}

func TestCheckListsMistakesForPrograms(t *testing.T) {
	t.Parallel()
	config := saved(t, "doorpanel.toml", []byte(tenMistakes))
	s := tell(t, nil, "check", config, "--json")
	var list struct {
		File     string
		Mistakes []struct {
			Row, Column               int
			Key, Value, Cause, Remedy string
		}
	}
	if err := json.Unmarshal([]byte(s.out), &list); err != nil || s.code != 1 || len(list.Mistakes) < 10 || list.File != config || s.stderr != "" {
		t.Fatalf("%v %v", s, err)
	}
	for _, m := range list.Mistakes {
		if m.Row == 0 || m.Cause == "" || m.Remedy == "" {
			t.Errorf("%+v", m)
		}
	}
	good := saved(t, "good.toml", []byte(setting{}.text("data")))
	if s := tell(t, nil, "check", good, "--json"); s.code != 0 || !strings.Contains(s.out, `"mistakes": []`) {
		t.Error(s)
	}
	if s := tell(t, nil, "check", good); s.code != 0 || !strings.Contains(s.out, "is right") {
		t.Error(s)
	}
	for _, missing := range [][]string{{"check", "/none.toml"}, {"license", "list", "--config", "/none.toml"}, {"doctor", "--config", "/none.toml"}} {
		if s := tell(t, nil, missing...); s.code != 1 || !strings.Contains(s.out+s.stderr, "/none.toml") {
			t.Errorf("%q: %v", missing, s)
		}
	}
	// A command for a panel with a broken configuration names the mistakes and touches nothing.
	if s := tell(t, nil, "license", "list", "--config", config); s.code != 1 || !strings.Contains(s.stderr, "mistakes:") {
		t.Error(s)
	}
	for data, want := range map[string]string{"/does/not/exist": "--data", config: "not a directory"} {
		if s := tell(t, nil, "license", "list", "--data", data); s.code != 1 || !strings.Contains(s.stderr, want) || !strings.Contains(s.stderr, data) {
			t.Errorf("%s: %v", data, s)
		}
		if s := tell(t, nil, "backup", "b.tar.gz", "--data", data); s.code != 1 || !strings.Contains(s.stderr, data) {
			t.Errorf("%s: %v", data, s)
		}
	}
}

const badPeople = `name,note,card,code
Anna Rossi,ground floor,04A1B2C3D4E580,471182
,nobody,,
Marco Bianchi,,04A1B2C3D4E5,12
Lia Verdi,,XYZ,3333
Paolo "Nero,,,
Ugo Gialli,,04:A1:B2:C3:D4:E5:80,471182
Eva Blu,first, second,04A1B2C3,
"Ida
Grigi",,,draw

Nino Viola,` + "\u202egnorw" + `,,9876
`

func TestAllMistakesOfAListOfPeopleAreToldAtOnce(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	s := p.cliFails("mistakes: 11", "people", "import", saved(t, "people.csv", []byte(badPeople)))
	for _, want := range []string{
		"line 3: the name \"\"", "line 4: the code is not 4 to 12 digits", "line 5: card \"XYZ\"", "line 5: the code is too easy", "line 6: ",
		"line 7: card 04A1B2C3D4E580 is in line 2 already", "line 7: the code is in line 2 already", "line 8: it has 5 fields",
		"line 9: the name", "line 12: the note", "line 12: the code is too easy",
	} {
		if !strings.Contains(s.stderr, want) {
			t.Errorf("nothing is said of %q:\n%s", want, s.stderr)
		}
	}
	if strings.Contains(s.stderr, "4711") || strings.Contains(s.stderr, "3333") {
		t.Errorf("a code is shown:\n%s", s.stderr)
	}
	for want, content := range map[string]string{
		"is empty":                    "",
		`unknown column "apartment"`:  "name;apartment\nA;B\n",
		"no column name":              "note,card\na,b\n",
		"two columns card":            "name,card,card\n",
		"line 2: column cards counts": "name,cards\nAnna Rossi,04A1B2C3\n",
		"not UTF-8":                   "name\nJos\xe9\n",
		"larger than 16 MiB":          "name\n" + strings.Repeat("Anna Rossi of the third floor\n", 600_000),
	} {
		p.cliFails(want, "people", "import", saved(t, "people.csv", []byte(content)))
		p.cliFails(want, "people", "import", "--dry-run", saved(t, "people.csv", []byte(content)))
	}
	p.cliFails("no such file", "people", "import", "/none.csv")
	p.cliFails("cannot read people", "people", "import", t.TempDir())
	if out := p.cliMust("people", "export", "--json"); !strings.Contains(out, `"people": []`) {
		t.Errorf("refused lists changed something: %s", out)
	}
}

func TestAListThatContradictsWhoIsHereChangesNothing(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	p.enroll(object{"person": "Old Tenant", "kind": "card", "uid": "04DEAD01"})
	csv := saved(t, "people.csv", []byte("name,card,code\nAnna Rossi,04A1B2C3,471982\nMarco Bianchi,04DEAD01,581299\nLia Verdi,,\n"))
	s := p.cliFails("mistakes: 1", "people", "import", csv)
	if !strings.Contains(s.stderr, "line 3: card 04DEAD01 is somebody else's") {
		t.Error(s.stderr)
	}
	if out := p.cliMust("people", "export"); strings.Contains(out, "Marco") || strings.Contains(out, "Anna") {
		t.Errorf("part of a list with mistakes is in:\n%s", out)
	}
	csv = saved(t, "people.csv", []byte("name,card,code\nAnna Rossi,04A1B2C3,471982\nLia Verdi,,draw\n"))
	if s := p.cli("people", "import", csv); s.code != 0 || !strings.Contains(s.stderr, "2 people were added") {
		t.Errorf("%+v", s)
	}
	// Again: nothing is left to do, and nobody is there twice.
	if s := p.cli("people", "import", csv); s.code != 0 || s.out != "" || !strings.Contains(s.stderr, "0 people were added, 0 changed, 0 removed; 2 are") {
		t.Errorf("%+v", s)
	}
	// What was exported comes in again, without a difference.
	all := saved(t, "all.csv", []byte(p.cliMust("people", "export")))
	if out := p.cliMust("people", "import", "--dry-run", "--replace", all); !strings.HasPrefix(out, "0 people would be added, 0 changed, 0 removed; 3 are") {
		t.Error(out)
	}
	all = saved(t, "all.json", []byte(p.cliMust("people", "export", "--json")))
	if out := p.cliMust("people", "import", "--dry-run", "--replace", all); !strings.HasPrefix(out, "0 people would be added, 0 changed, 0 removed; 3 are") {
		t.Error(out)
	}
	if out := p.cliMust("people", "import", "--replace", csv); out != "" {
		t.Error(out)
	}
	if out := p.cliMust("people", "list"); strings.Contains(out, "Old Tenant") || !strings.Contains(out, "Lia Verdi") {
		t.Error(out)
	}
	p.badge("front-in", "04DEAD01")
	p.waitEntry("access.refused", "")
}

// archive packs files the way a backup is packed.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o600, Size: int64(len(f[1]))})
		if err == nil {
			_, err = io.WriteString(w, f[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBackupBringsPeopleAndLicensesBack(t *testing.T) {
	t.Parallel()
	p, root := accessPanel(t, setting{})
	p.enroll(object{"person": "Anna Rossi", "kind": "card", "uid": "04A1B2C3"})
	file := filepath.Join(t.TempDir(), "panel.tar.gz")
	p.cliMust("backup", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	p.cliFails("cannot write", "backup", filepath.Join(t.TempDir(), "none", "panel.tar.gz"))

	// Whom a backup does not know goes with the restore. Licenses are the panel's, and stay.
	p.enroll(object{"person": "Marco Bianchi", "kind": "card", "uid": "04FFFF01"})
	p.activate(root.license(t, token(grant(license.Buttons, 5))))
	p.cliFails("the daemon is running; stop it first", "restore", file)
	p.must(http.StatusOK, "GET", "/status", nil)
	p.stop()
	offline := filepath.Join(t.TempDir(), "offline.tar.gz")
	p.cliMust("backup", offline)

	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	image := unpacked(t, good)
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 4
	broken := slices.Clone(image)
	for i := range 64 {
		broken[len(broken)/2+i] ^= 0xff
	}
	before := p.cliMust("people", "export")
	for _, c := range []struct {
		want    string
		content []byte
	}{
		{"cannot read backup", nil},
		{"cannot read backup", []byte("name,card\n")},
		{"cannot read backup", good[:len(good)-5]},
		{"cannot read backup", good[:len(good)/2]},
		{"nothing was changed", flipped},
		{`it begins with "../../etc/passwd"`, archive(t, [2]string{"../../etc/passwd", "root::0"})},
		{"it holds more than", archive(t, [2]string{"store.db", string(image)}, [2]string{"more", "x"})},
		{"cannot use backup", archive(t, [2]string{"store.db", ""})},
		{"cannot use backup", archive(t, [2]string{"store.db", string(image[:len(image)/2])})},
		{"cannot use backup", archive(t, [2]string{"store.db", strings.Repeat("not a store ", 4096)})},
		{"cannot read backup", append(slices.Clone(good), "more"...)},
	} {
		p.cliFails(c.want, "restore", saved(t, "damaged.tar.gz", c.content))
	}
	p.cliFails("no such file", "restore", "/none.tar.gz")
	if after := p.cliMust("people", "export"); after != before {
		t.Errorf("a refused backup changed something:\n%s%s", before, after)
	}

	out := p.cliMust("restore", file)
	if !strings.Contains(out, "restored "+file) || !strings.Contains(out, "set-aside") {
		t.Error(out)
	}
	p = p.restart()
	p.waitEntry("config.changed", "")
	restored := slices.ContainsFunc(p.journal(), func(e entry) bool { return strings.HasPrefix(e.Detail, "store restored from panel.tar.gz") })
	if !restored {
		t.Error("the journal says nothing of the restore")
	}
	if got := p.buttons(); got != 6 {
		t.Errorf("%d buttons are usable; a restore takes no license away, and 6 were there", got)
	}
	p.badge("front-in", "04FFFF01")
	p.waitEntry("access.refused", "unknown")
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.stop()
	// A store from before a restore is set aside, and what is left in the directory is what was there.
	names := p.files()
	for _, name := range names {
		if strings.Contains(name, ".restore-") || strings.Contains(name, ".socket-") || strings.HasSuffix(name, "doorpanel.sock") {
			t.Errorf("%s was left", name)
		}
	}
	p.cliMust("restore", offline)
	p = p.restart()
	if got := p.buttons(); got != 6 {
		t.Errorf("%d buttons are usable, the second backup had 6", got)
	}
}

func unpacked(t *testing.T, packed []byte) []byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zipped)
	if _, err := files.Next(); err != nil {
		t.Fatal(err)
	}
	image, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// files lists everything in the data directory.
func (p *panelProcess) files() []string {
	p.t.Helper()
	var names []string
	err := filepath.WalkDir(p.data, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

func TestVerifyNamesTheFirstEntryThatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	for _, name := range []string{"Anna Rossi", "Marco Bianchi", "Lia Verdi"} {
		p.must(http.StatusCreated, "POST", "/people", object{"name": name})
	}
	entries := p.journal()
	p.stop()
	// The word stands in the open part of the entry that says that the first person was saved.
	var victim entry
	segment := lastSegment(t, p.data)
	change(t, segment, func(b []byte) []byte {
		for _, e := range entries {
			if strings.HasPrefix(e.Detail, "person saved") {
				victim = e
				break
			}
		}
		at := bytes.Index(b, []byte(victim.Detail))
		if at < 0 {
			t.Fatalf("%q is not in the journal", victim.Detail)
		}
		b[at] ^= 0x20
		return b
	})
	s := p.cliFails(fmt.Sprintf("entry %d does not fit (%s at byte ", victim.Seq, filepath.Base(segment)), "journal", "verify")
	if strings.Contains(s.stderr, "{") {
		t.Errorf("not for people: %s", s.stderr)
	}
	j := p.cli("journal", "verify", "--json")
	var report struct{ Faults []struct{ Seq uint64 } }
	if err := json.Unmarshal([]byte(j.out), &report); err != nil || j.code != 1 || len(report.Faults) == 0 || report.Faults[0].Seq != victim.Seq {
		t.Errorf("%v %v", j, err)
	}
	if s := p.cli("doctor"); s.code != 1 || !strings.Contains(s.out, fmt.Sprintf("BAD  journal: entry %d does not fit", victim.Seq)) {
		t.Error(s)
	}
}

func TestSocketIsPrivateAndAStaleOneIsInNobodysWay(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	socket := filepath.Join(p.data, "doorpanel.sock")
	private := func() {
		t.Helper()
		info, err := os.Lstat(socket)
		if err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Fatal(info, err)
		}
	}
	private()
	p.kill()
	private() // it is left where it was
	if s := p.cli("doctor"); !strings.Contains(s.out, "BAD  daemon runs") {
		t.Errorf("a stale socket is taken for a daemon: %v", s)
	}
	p.cliMust("people", "import", saved(t, "people.csv", []byte("name\nAnna Rossi\n")))
	p = p.restart()
	private()
	if out := p.cliMust("people", "export"); !strings.Contains(out, "Anna Rossi") {
		t.Error(out)
	}
	// The socket is not a network: what it serves to administrators, the page does not.
	if a := p.page("GET", "/backup", nil, p.setup()); a.status != http.StatusNotFound {
		t.Errorf("/backup over the network: %d", a.status)
	}
	p.stop()
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestLongDataPathIsNoObstacle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, strings.Repeat("a-long-way-down/", 6), "data")
	if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, setting{}, dir, data)
	if out := p.cliMust("license", "list"); !strings.Contains(out, "No license is stored") {
		t.Error(out)
	}
	p.stop()
}

// A command that root gives for a stopped panel must not leave files that the daemon's own user cannot open.
func TestCommandLeavesThePanelsFilesToTheirOwner(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "doorpanel-owner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, setting{}, dir, filepath.Join(dir, "data"))
	p.stop()
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65534
		for _, path := range p.files() {
			if err := os.Lchown(path, owner, owner); err != nil {
				t.Fatal(err)
			}
		}
	}
	backup := filepath.Join(t.TempDir(), "backup.tar.gz") // nobody may write there, root may
	p.cliMust("people", "import", saved(t, "people.csv", []byte("name,card\nAnna Rossi,04A1B2C3\n")))
	p.cliMust("backup", backup)
	p.cliMust("restore", backup)
	for _, path := range p.files() {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != owner {
			t.Errorf("%s belongs to user %d, not %d", path, uid, owner)
		}
	}
}

func TestOnlyWhoHoldsTheStoreMakesKeys(t *testing.T) {
	t.Parallel()
	p := startPanel(t, setting{})
	keys := filepath.Join(p.data, "keys")
	if err := os.RemoveAll(keys); err != nil {
		t.Fatal(err)
	}
	p.cliFails("in use by another process", "run")
	if _, err := os.Stat(keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that may not run here made keys: %v", err)
	}
}

func TestTwoFirstStartsMakeOnePanel(t *testing.T) {
	t.Parallel()
	for range 2 {
		dir := t.TempDir()
		data := filepath.Join(dir, "data")
		config := filepath.Join(dir, "doorpanel.toml")
		if err := os.WriteFile(config, []byte(setting{}.text(data)), 0o600); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		won := make(chan *panelProcess, 2)
		for range 2 {
			wait.Go(func() {
				p := &panelProcess{t: t, setting: setting{}, dir: dir, data: data}
				c := exec.Command(program, "run", "--config", config)
				out, err := c.StdoutPipe()
				if err != nil || c.Start() != nil {
					t.Error(err)
					return
				}
				var line readyLine
				if err := json.NewDecoder(out).Decode(&line); err == nil && line.Ready {
					p.id, p.command = line.Panel, c
					won <- p
					return
				}
				_ = c.Wait()
				if code := c.ProcessState.ExitCode(); code != 1 {
					t.Errorf("the second one ends with %d", code)
				}
			})
		}
		wait.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of two started", len(won))
		}
		first := <-won
		if err := first.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = first.command.Wait()
		if again := startIn(t, setting{}, dir, data); again.id != first.id {
			t.Errorf("the panel was %s and is %s now", first.id, again.id)
		}
	}
}

func TestBrokenConfigurationIsAPanelThatRunsForTheServiceManager(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "doorpanel.toml")
	if err := os.WriteFile(config, []byte(tenMistakes), 0o600); err != nil {
		t.Fatal(err)
	}
	notify := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: notify})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &panelProcess{t: t, dir: dir, client: &http.Client{}, setting: setting{wrap: []string{"env", "NOTIFY_SOCKET=" + notify, "WATCHDOG_USEC=200000"}}}
	line := p.launch([]string{"run", "--config", config})
	if line.Ready {
		t.Errorf("%+v", line)
	}
	if err := l.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	told := ""
	b := make([]byte, 512)
	for !strings.Contains(told, "READY=1") || strings.Count(told, "WATCHDOG=1") < 3 {
		n, err := l.Read(b)
		if err != nil {
			t.Fatalf("the service manager heard only %q: %v", told, err)
		}
		told += string(b[:n]) + "\n"
	}
	p.stop()
	if n := strings.Count(p.stderr.String(), "Middle/Earth"); n != 1 {
		t.Errorf("a mistake is told %d times:\n%s", n, p.stderr.String())
	}
}

func TestStopAtAnyMomentIsCleanAndNothingConfirmedIsLost(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	phone := startRawPhone(t)
	s := setting{roots: root.roots(), buttons: button(1, "Rossi", "sip:rossi@"+phone.addr())}
	p := startPanel(t, s)
	usable := 1

	// In the middle of licenses being added.
	adding := make(chan int)
	go func() {
		n := 0
		for range 200 {
			a, err := try(p.socket, "POST", "http://doorpanel/api/v1/licenses", object{"token": root.license(t, token(grant(license.Buttons, 1)))})
			if err != nil || a.status != http.StatusCreated {
				break
			}
			n++
		}
		adding <- n
	}()
	p.waitEntry("license.activated", "")
	p.stop()
	usable += <-adding
	p = p.restart()
	if got := p.buttons(); got < usable || got > usable+1 {
		t.Errorf("%d buttons are usable, %d were confirmed", got, usable)
	}

	// In the middle of a call, with the door open.
	p.press(1)
	p.waitEntry("call.placed", "")
	p.input("exit", true)
	p.waitFor("strike", "front", true)
	p.stop()
	p = p.restart()
	entries := p.journal()
	stopped := slices.IndexFunc(entries, func(e entry) bool { return e.Kind == "call.placed" })
	if stopped < 0 || count(entries[stopped:], "system.stopped") != 1 {
		t.Errorf("the stop during a call is not in the journal: %v", entries)
	}
	p.stop()

	// At any moment of the start: a daemon that was told to stop ends with 0 and leaves nothing behind.
	config := filepath.Join(p.dir, "doorpanel.toml")
	for pause := time.Duration(0); pause < 120*time.Millisecond; pause += 15 * time.Millisecond {
		c := exec.Command("timeout", "--preserve-status", "-s", "TERM", fmt.Sprintf("%.3f", max(pause, time.Millisecond).Seconds()), program, "run", "--config", config)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		// Before the program takes signals, the kernel ends it as any other.
		err := c.Run()
		if code := c.ProcessState.ExitCode(); code != 0 && code != 128+int(syscall.SIGTERM) {
			t.Errorf("stopped %v after its start the panel ends with %d: %v\n%s", pause, code, err, stderr.String())
		}
	}
	p = p.restart()
	if _, err := os.Lstat(filepath.Join(p.data, "doorpanel.sock")); err != nil {
		t.Error(err)
	}
}

func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("correct-horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exchange := startExchange(t)
	s := setting{
		roots: root.roots(), args: []string{"--verbose"},
		sip:  fmt.Sprintf("[[sip.account]]\nname = \"pbx\"\nregistrar = \"sip:%s\"\nuser = \"door\"\npassword_file = %q\n", exchange.addr(), secret),
		more: fmt.Sprintf("[uplink]\nbroker = \"mqtt://127.0.0.1:1\"\nsite = \"house\"\nuser = \"door\"\npassword_file = %q\n", secret),
	}
	p := startIn(t, s, dir, filepath.Join(dir, "data"))
	text := root.license(t, token(grant(license.SIP, 1), grant(license.AccessBasic, 1)))
	p.activate(text)
	exchange.await("REGISTER")
	bearer := p.setup()
	p.enroll(object{"person": "Anna Rossi", "kind": "card", "uid": "04A1B2C3"})
	p.enroll(object{"person": "Anna Rossi", "kind": "code", "code": "471182"})
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.keys("front-in", "471182#")
	p.opens("front")
	p.keys("front-in", "990317#")
	p.waitEntry("access.refused", "unknown")
	p.stop()
	log := p.stderr.String()
	if !strings.Contains(log, "access.refused") {
		t.Error("nothing is logged: that proves nothing")
	}
	for what, secret := range map[string]string{
		"a password of a file": "correct-horse", "the administrator's password": password, "a bearer token": bearer,
		"a card": "04A1B2C3", "a code": "471182", "a wrong code": "990317", "a name": "Anna", "a license": text[4:60],
	} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log:\n%s", what, log)
		}
	}
}
