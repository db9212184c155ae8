package doorpanel

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/doorpanel/doorpanel/"

// arrows are the imports among our own packages that the architecture allows, as docs/architecture.md draws them. A name
// that ends in /* stands for every package below. Whatever is not listed here may import nothing of ours.
var arrows = map[string][]string{
	"cmd/doorpanel": {
		"panel", "panel/*", "license", "license/envelope", "telemetry", "drivers/*", "sip", "storage", "configs", "qr", "daemon",
	},
	"cmd/doorlicense":   {"license", "license/envelope", "telemetry", "qr"},
	"cmd/doorhub":       {"hub", "hub/*", "license", "license/envelope", "telemetry", "storage", "configs", "qr", "daemon"},
	"cmd/doorfleet":     {"panel", "panel/*", "drivers/sim", "license", "license/envelope", "telemetry", "storage", "configs", "daemon"},
	"hub":               {"hub/fleet", "hub/monitor", "hub/ledger", "telemetry", "license", "license/envelope"},
	"hub/store":         {"hub/fleet", "hub/monitor", "hub/ledger", "hub/roles", "telemetry", "storage"},
	"hub/web":           {"hub/fleet", "hub/monitor", "hub/ledger", "hub/roles", "telemetry", "qr", "login"},
	"hub/pools":         {"hub/fleet", "hub/ledger", "license", "license/envelope", "telemetry"},
	"hub/monitor":       {"hub/fleet", "telemetry"},
	"hub/ledger":        {"license", "license/envelope", "telemetry"},
	"hub/fleet":         {"telemetry"},
	"hub/roles":         {"hub/fleet"},
	"hub/broker":        {"telemetry"},
	"panel":             {"panel/access", "license", "license/envelope"},
	"panel/agent":       {"panel", "panel/access", "license", "license/envelope"},
	"panel/web":         {"panel", "panel/access", "license", "license/envelope", "qr", "login"},
	"panel/uplink":      {"telemetry", "license/envelope"},
	"panel/pairing":     {"telemetry", "license/envelope"},
	"panel/outbox":      {"panel/agent", "storage", "telemetry"},
	"panel/orders":      {"panel", "telemetry", "license/envelope"},
	"telemetry":         {"license/envelope"},
	"license":           {"license/envelope"},
	"drivers/sim":       {"qr"},
	"drivers/scanner":   {"qr"},
	"scripts/powercut":  {"storage"},
	"scripts/bench":     {"panel", "panel/*", "license", "license/envelope", "storage", "sip", "drivers/*", "qr", "telemetry"},
	"scripts/rig/probe": {"drivers/*", "sip", "license", "license/envelope"},
	// Helpers of tests, not linked into any program.
	"drivers/drivertest":  {"drivers/*"},
	"hub/store/storetest": {"hub/store", "hub/fleet", "hub/monitor", "hub/ledger", "hub/roles", "telemetry", "license"},
}

// testArrows are what tests may import beyond that: real peers and neighbors to play against.
var testArrows = map[string][]string{
	"sip":           {"sip/siptest"},
	"panel/uplink":  {"panel/uplink/uplinktest"},
	"cmd/doorpanel": {"sip/siptest", "panel/uplink/uplinktest", "hub", "hub/*"},
	"cmd/doorhub":   {"panel/uplink", "panel/uplink/uplinktest", "hub/notify/notifytest"},
	"cmd/doorfleet": {"panel/uplink/uplinktest"},
	"panel/pairing": {"hub/authority"},
	"hub":           {"panel/pairing", "panel/uplink", "panel/uplink/uplinktest", "hub/store", "hub/broker", "hub/authority", "hub/notify", "hub/notify/notifytest"},
	"hub/notify":    {"hub/notify/notifytest"},
	"hub/broker":    {"panel/uplink", "panel/uplink/uplinktest", "hub/authority"},
	"hub/store":     {"hub/store/storetest"},
	"license":       {"qr"},
	"drivers/gpio":  {"drivers/drivertest"},
	"drivers/guard": {"drivers/drivertest"},
	"drivers/nfc":   {"drivers/drivertest"},
	"telemetry":     {"panel"}, // the list of kinds is one list
}

// pure packages decide and do nothing else: no file, wire, clock, goroutine or log.
var pure = []string{"panel", "panel/access", "license", "license/envelope", "telemetry", "qr", "hub/fleet", "hub/monitor", "hub/ledger", "hub/roles"}

// forbiddenInPure are the standard library's ways out of a pure package.
var forbiddenInPure = []string{
	"os", "os/*", "net", "net/*", "io/ioutil", "log", "log/*", "syscall", "sync", "sync/*", "context", "crypto/rand", "math/rand", "math/rand/v2",
}

// file is one Go file of ours.
type file struct {
	pkg     string // path below the module
	name    string
	test    bool
	imports []string
	source  []byte
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, f := range goFiles(t) {
		allowed := arrows[f.pkg]
		if f.test {
			allowed = append(slices.Clone(allowed), testArrows[f.pkg]...)
			allowed = append(allowed, f.pkg)
		}
		for _, imported := range f.imports {
			ours, ok := strings.CutPrefix(imported, module)
			if ok && !matches(allowed, ours) {
				t.Errorf("%s imports %s: no arrow of docs/architecture.md leads there", f.name, ours)
			}
		}
	}
}

func TestPurePackagesHaveNoWayOut(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test || !slices.Contains(pure, f.pkg) {
			continue
		}
		for _, imported := range f.imports {
			if matches(forbiddenInPure, imported) {
				t.Errorf("%s imports %s: %s is pure", f.name, imported, f.pkg)
			}
		}
		for _, way := range []string{"time.Now(", "time.Since(", "time.Sleep(", "time.After(", "time.NewTimer(", "\tgo func", "\tgo "} {
			if strings.Contains(string(f.source), way) {
				t.Errorf("%s has %q: %s is pure, time is an argument", f.name, strings.TrimSpace(way), f.pkg)
			}
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	for _, f := range goFiles(t) {
		if strings.Contains(string(f.source), "\nfunc init()") {
			t.Errorf("%s has an init function: what a program does is read in its main", f.name)
		}
	}
}

// TestEveryArrowIsDrawn keeps the page and the table the same: who reads one has read the other.
func TestEveryArrowIsDrawn(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for from := range arrows {
		if strings.HasPrefix(from, "scripts/") {
			continue
		}
		if !strings.Contains(string(page), from) {
			t.Errorf("docs/architecture.md does not name %s", from)
		}
	}
}

func TestEveryPackageSaysOnceWhatItIsFor(t *testing.T) {
	comments := map[string][]string{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.name, f.source, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Doc != nil {
			comments[f.pkg] = append(comments[f.pkg], f.name)
		} else if comments[f.pkg] == nil {
			comments[f.pkg] = []string{}
		}
	}
	for pkg, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments (%s): one says what it is for", pkg, len(files), strings.Join(files, ", "))
		}
	}
}

func matches(list []string, name string) bool {
	for _, entry := range list {
		if entry == name {
			return true
		}
		if prefix, ok := strings.CutSuffix(entry, "/*"); ok && strings.HasPrefix(name, prefix+"/") {
			return true
		}
	}
	return false
}

func goFiles(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "dist" || d.Name() == "testdata" || d.Name() == "data") {
			return filepath.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" || path.Dir(filepath.ToSlash(name)) == "." {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{pkg: path.Dir(filepath.ToSlash(name)), name: name, test: strings.HasSuffix(name, "_test.go"), source: source}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
