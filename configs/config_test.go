package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // time zones are known on a machine without them, as in the panel itself
)

const goodKey = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

func TestDefaultIsASimulatedPanel(t *testing.T) {
	c := Default()
	if c.Hardware != Simulated || c.Data != "./data" || c.KeysDir != "data/keys" {
		t.Errorf("hardware %q, data %q, keys %q", c.Hardware, c.Data, c.KeysDir)
	}
	if len(c.Doors) != 1 || c.Doors[0].Name != "front" || c.Doors[0].OpenDigit != '1' || c.Doors[0].Pulse != 3*time.Second {
		t.Errorf("doors %+v", c.Doors)
	}
	if len(c.Readers) != 2 || c.Readers[0].Name != "front-in" || c.Readers[1].Name != "front-out" || c.Readers[1].Direction != Out {
		t.Errorf("readers %+v", c.Readers)
	}
	if got := c.Web.Listen.String(); got != "127.0.0.1:8080" || c.Web.TLS.On() {
		t.Errorf("page at %s", got)
	}
	if got := c.SIP.Listen.String(); got != "127.0.0.1:0" {
		t.Errorf("telephone at %s", got)
	}
	if c.Journal.MaxBytes != 256<<20 || !c.Clock.Kernel || c.Uplink.Broker != "" || len(c.License.Roots) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestShippedSamplesAreGood(t *testing.T) {
	sim, err := Load("doorpanel.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Buttons = sim.Buttons
	want.Site.Name = sim.Site.Name
	want.Site.TimeZone = sim.Site.TimeZone
	if !reflect.DeepEqual(sim, want) {
		t.Errorf("the simulated sample says something else than the defaults:\n%+v\n%+v", sim, want)
	}
	text, err := os.ReadFile("board.toml")
	if err != nil {
		t.Fatal(err)
	}
	board, problems := Parse("board.toml", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if board.Hardware != Board || !board.Doors[0].Strike.Wired() || len(board.Readers) == 0 || !board.Web.TLS.On() {
		t.Errorf("%+v", board)
	}
}

// TestSamplesStayGoodWhenUncommented takes the # off every line of the form "#key = value" or "#[section]".
func TestSamplesStayGoodWhenUncommented(t *testing.T) {
	for _, name := range []string{"doorpanel.toml", "board.toml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		open := regexp.MustCompile(`(?m)^#(\[|[a-z_]+ +=)`).ReplaceAllString(string(text), "$1")
		if open == string(text) {
			t.Errorf("%s has nothing to uncomment", name)
		}
		if _, problems := Parse(name, []byte(open)); len(problems) > 0 {
			t.Error(problems)
		}
	}
}

// full has every section, so that reading it asks for every key.
const full = `
[[door]]
[[button]]
[[reader]]
[[sip.account]]
[[journal.kind]]
`

func TestDocumentationListsEveryKey(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	known := parse("", []byte(full)).known
	sections := map[string]bool{}
	for key := range known {
		for i := strings.LastIndexByte(key, '.'); i > 0; i = strings.LastIndexByte(key[:i], '.') {
			sections[key[:i]] = true
		}
	}
	for key := range known {
		if !sections[key] && !documented[key] {
			t.Errorf("docs/configuration.md has no row for %s", key)
		}
	}
	for key := range documented {
		if !known[key] {
			t.Errorf("docs/configuration.md has a row for %s, which is no key", key)
		}
	}
	if len(known) < 40 {
		t.Errorf("only %d keys were asked for", len(known))
	}
}

func TestEverythingWrittenArrives(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "pbx")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "doorpanel.toml")
	text := fmt.Sprintf(`
hardware = "board"
data = "/var/lib/doorpanel"
[site]
name = "Via Roma 12"
panel = "Stairs A"
timezone = "Europe/Rome"
language = "it"
[web]
listen = "[::]:443"
hosts = ["Panel.example.org"]
tls = { certificate = "/etc/c.pem", key = "/etc/k.pem" }
[sip]
listen = ":5070"
ring_timeout = "45s"
[[sip.account]]
name = "pbx"
registrar = "sip:pbx.example.org:5080;transport=tcp"
user = "door"
password_file = %q
[[sip.account]]
name = "provider"
registrar = "sip:[2001:db8::1]"
user = "39061"
password = "direct"
[[door]]
name = "front"
strike = "gpio:pinctrl-bcm2835/17,active-low"
safe = "fail-safe"
pulse = "5s"
contact = "gpio:pinctrl-bcm2835/22,pull-up"
exit = "gpio:gpiochip1/EXIT,active-low,pull-up"
held_open_after = "0s"
fire = "ignore"
mode = "toggle"
toggle_for = "2h"
stands_open = "office hours"
stands_open_after_card = true
escape = "hardware"
feedback = "gpio:pinctrl-bcm2835/19"
[[door]]
name = "gate"
strike = "gpio:pinctrl-bcm2835/18"
safe = "fail-secure"
open_digit = "#"
fire = "release"
held_warning = "5s"
[[button]]
number = 2
label = "Bianchi"
target = "101"
account = "pbx"
line = "gpio:pinctrl-bcm2835/5,pull-up,active-low"
[[button]]
number = 1
target = "sip:101@192.168.1.20:5060;transport=tcp"
[inputs]
fire = "gpio:pinctrl-bcm2835/6"
debounce = "50ms"
tamper_block = "10m"
[[reader]]
name = "card"
door = "front"
kind = "mfrc522"
device = "SPI0.0"
reset = "gpio:pinctrl-bcm2835/25"
[[reader]]
name = "code"
door = "front"
direction = "out"
kind = "scanner-serial"
device = "/dev/ttyUSB0"
baud = 115_200
[uplink]
broker = "mqtts://hub.example.org"
user = "panel"
password_file = %q
ca = "/etc/ca.pem"
site = "via-roma-12"
hub = true
command_keys = [
  %q, # the manager
]
[license]
roots = [%q]
[clock]
kernel = false
rtc = true
[access]
policy = "secure"
guesses_a_day = 250
empty_at = "03:30"
inside = "opened"
[journal]
max_size = "1GiB"
entries_days = 365
persons_days = 90
[[journal.kind]]
kinds = ["access.refused", "scan.refused"]
persons_days = 7
`, secret, secret, goodKey, goodKey)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		what      string
		got, want any
	}{
		{"keys_dir", c.KeysDir, "/var/lib/doorpanel/keys"},
		{"panel", c.Site.Panel, "Stairs A"},
		{"zone", c.Site.TimeZone.String(), "Europe/Rome"},
		{"page", c.Web.Listen.String(), "[::]:443"},
		{"hosts", c.Web.Hosts, []string{"panel.example.org"}},
		{"tls", c.Web.TLS, TLS{Certificate: "/etc/c.pem", Key: "/etc/k.pem"}},
		{"telephone", c.SIP.Listen.String(), "0.0.0.0:5070"},
		{"ring", c.SIP.RingTimeout, 45 * time.Second},
		{"first password", c.SIP.Accounts[0].Password.Reveal(), "s3cret"},
		{"second password", c.SIP.Accounts[1].Password.Reveal(), "direct"},
		{"front", c.Doors[0], Door{
			Name: "front", Strike: Line{"pinctrl-bcm2835", "17", true, AsIs}, Safe: FailSafe, Pulse: 5 * time.Second, OpenDigit: '1',
			Contact: Line{"pinctrl-bcm2835", "22", false, PullUp}, Exit: Line{"gpiochip1", "EXIT", true, PullUp},
			Toggle: true, ToggleFor: 2 * time.Hour, StandsOpen: "office hours", OpenAfterGrant: true, Fire: FireIgnores, EscapeWired: true,
			Feedback: Line{Chip: "pinctrl-bcm2835", Line: "19"},
		}},
		{"gate", c.Doors[1], Door{
			Name: "gate", Strike: Line{Chip: "pinctrl-bcm2835", Line: "18"}, Safe: FailSecure, Pulse: 3 * time.Second, OpenDigit: '#',
			HeldOpenAfter: 30 * time.Second, HeldWarning: 5 * time.Second, ToggleFor: 12 * time.Hour, Fire: FireReleases,
		}},
		{"first button", c.Buttons[0], Button{Number: 1, Target: "sip:101@192.168.1.20:5060;transport=tcp"}},
		{"second button", c.Buttons[1].Line.String(), "gpio:pinctrl-bcm2835/5,active-low,pull-up"},
		{"inputs", c.Inputs, Inputs{Fire: Line{Chip: "pinctrl-bcm2835", Line: "6"}, Debounce: 50 * time.Millisecond, TamperBlock: 10 * time.Minute}},
		{"card", c.Readers[0], Reader{Name: "card", Door: "front", Direction: In, Kind: MFRC522, Device: "SPI0.0", Reset: Line{Chip: "pinctrl-bcm2835", Line: "25"}}},
		{"code", c.Readers[1], Reader{Name: "code", Door: "front", Direction: Out, Kind: SerialScanner, Device: "/dev/ttyUSB0", Baud: 115200}},
		{"broker", c.Uplink.Broker, "mqtts://hub.example.org:8883"},
		{"uplink password", c.Uplink.Password.Reveal(), "s3cret"},
		{"hub", c.Uplink.Hub, true},
		{"keys", len(c.Uplink.CommandKeys), 1},
		{"roots", len(c.License.Roots[0]), 32},
		{"clock", c.Clock, Clock{RTC: true}},
		{"access", c.Access, Access{Policy: SecurePolicy, GuessesADay: 250, EmptyAt: "03:30", InsideWhenOpened: true}},
		{"journal", c.Journal, Journal{MaxBytes: 1 << 30, EntriesDays: 365, PersonsDays: 90, Kinds: []JournalKind{{[]string{"access.refused", "scan.refused"}, 7}}}},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s: got %+v, want %+v", x.what, x.got, x.want)
		}
	}
}

func TestTenMistakesAreToldAtOnce(t *testing.T) {
	_, problems := Parse("doorpanel.toml", []byte(`hardware = "raspberry"
[site]
timezone = "Europe/Roma"
[web]
listen = "0.0.0.0:8080"
lisen = "x"
[[door]]
name = "front"
pulse = "3"
open_digit = "12"
safe = "open"
[[reader]]
name = "r"
door = "frnt"
[uplink]
broker = "http://hub"
password = "hunter2"
password_file = "/nowhere"
[license]
roots = ["ed25519:short"]
`))
	want := `cannot use doorpanel.toml: 12 mistakes:
doorpanel.toml:1:12: hardware = "raspberry": not one of the values; write "sim" or "board"
doorpanel.toml:3:12: site.timezone = "Europe/Roma": unknown time zone; write a name of the IANA list, such as "Europe/Rome"
doorpanel.toml:5:10: web.listen = "0.0.0.0:8080": beyond this host the page needs TLS; write self_signed = true in [web.tls], or listen = "127.0.0.1:8080"
doorpanel.toml:6:1: web.lisen: unknown key; did you mean listen?
doorpanel.toml:9:9: door.pulse = "3": not a duration; write "3s"
doorpanel.toml:10:14: door.open_digit = "12": not one key of a telephone; write one of 0 to 9, * or #, such as "1"
doorpanel.toml:11:8: door.safe = "open": not one of the values; write "fail-secure" or "fail-safe"
doorpanel.toml:14:8: reader.door = "frnt": no door has this name; write one of: front
doorpanel.toml:15:1: uplink.user: missing; write user = "..." with the password
doorpanel.toml:16:10: uplink.broker = "http://hub": not an MQTT address; write "mqtt://host:1883" or "mqtts://host:8883"
doorpanel.toml:18:17: uplink.password_file = ***: password is given as well; keep password_file and delete password
doorpanel.toml:20:10: license.roots = "ed25519:short": not a whole public key; copy it again: 43 letters, digits, - and _ after ed25519:`
	if got := problems.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(problems.Error(), "hunter2") {
		t.Error("the password is told")
	}
}

func TestMistakes(t *testing.T) {
	const door = "hardware = \"board\"\n[site]\ntimezone = \"UTC\"\n[[door]]\nname = \"a\"\nstrike = \"gpio:c/1\"\nsafe = \"fail-safe\"\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing wrong", "", nil},
		{"byte order mark and CRLF", "\ufeffhardware = \"sim\"\r\n[site]\r\nname = \"ö\"\r\n", nil},
		{"text without quotes", "[web]\nlisten = 127.0.0.1:80\n[[door]]\nname = \"a\"\npulse = \"x\"", []string{
			"2:15: web.listen = 127.0.0.1:80: expected newline but got U+002E '.'; put text in quotes",
			"5:9: door.pulse = \"x\": not a duration; write \"3s\""}},
		{"two mistakes of form", "data = \n[site]\nname = \"a\nlanguage = \"en\"\n", []string{
			"1:8: data: unexpected character U+000A at start of value; write a value after =",
			"3:10: site.name = \"a: basic strings cannot have new lines; end the text with the quote it begins with"}},
		{"broken header skips its section", "[site\nnam = 1\n[web]\nlisten = 1", []string{
			"1:6: expected ']' to close table name; write [section], or [[section]] for one of several",
			"4:10: web.listen = 1: it is a number, not a text in quotes; write a text in quotes"}},
		{"secret without quotes", "[uplink]\nuser = \"u\"\npassword = hunter2", []string{"3:12: uplink.password = ***: "}},
		{"line of prose", "hello world", []string{"1:7: expected '=' after key; write name = value, [section] or # comment"}},
		{"unknown section", "[sight]\nname = \"x\"", []string{"1:1: sight: unknown section; delete it; known here: access, button, clock, data, door, "}},
		{"unknown key without a likeness", "[clock]\nzzzzzz = 1", []string{"2:1: clock.zzzzzz: unknown key; delete it; known here: kernel, rtc"}},
		{"wrong case", "[Site]", []string{"1:1: Site: unknown section; did you mean site?"}},
		{"key twice", "data = \"a\"\ndata = \"b\"", []string{"2:1: data: given twice, first on row 1; keep one"}},
		{"section twice", "[web]\n[site]\n[web]", []string{"3:1: web: section [web] is there twice, first on row 1; put all its keys into one"}},
		{"one for several", "[door]\nname = \"a\"\npulse = 3", []string{
			"1:1: door = {…}: it is a section, and there may be several; write [[door]]",
			"3:9: door.pulse = 3: a number without a unit; write \"3s\""}},
		{"several for one", "[[site]]\n[[site]]", []string{"1:1: site = […]: there can be one only; write [site]"}},
		{"value for a section", "site = 1", []string{"1:8: site = 1: it is a number, not a section; write [site] and its keys below it"}},
		{"value and section", "[site]\nname.a = 1\nname.b = 2\n[site.name]\n[site.name.a]", []string{
			"4:1: site.name = {…}: it is a section, not a text in quotes; write a text in quotes",
			"5:1: site.name.a: site.name.a is a value on row 2 and a section here; keep one of the two"}},
		{"wrong types", "data = 1\nkeys_dir = [\"a\"]\nhardware = 2026-01-01\n[clock]\nrtc = \"yes\"\n[uplink]\ncommand_keys = \"a\"\nheartbeat = true\n[[button]]\nnumber = 1.5\n[[button]]\nnumber = 010\n[[button]]\nnumber = 0", []string{
			"1:8: data = 1: it is a number, not a text in quotes; write a text in quotes",
			"2:12: keys_dir = […]: it is a list, not a text in quotes; write a text in quotes",
			"3:12: hardware = 2026-01-01: it is a date or time, not a text in quotes; write a text in quotes",
			"5:7: clock.rtc = \"yes\": it is a text, not true or false; write true or false",
			"7:16: uplink.command_keys = \"a\": it is a text, not a list of texts; write a list of texts",
			"8:13: uplink.heartbeat = true: it is true or false, not a duration; write \"30s\"",
			"10:10: button.number = 1.5: it is a number, not a whole number; write a whole number",
			"12:10: button.number = 010: integers cannot have leading zeroes; write the number without a 0 before it",
			"14:10: button.number = 0: out of range; write a number from 1 to 999"}},
		{"column counts characters", "site = { name = \"Città\", nme = 1 }", []string{"1:26: site.nme: unknown key; did you mean name?"}},
		{"places in a list", "[license]\nroots = [\n  \"" + goodKey + "\",\n  7,\n  \"" + goodKey + "\",\n]", []string{
			"4:3: license.roots = 7: it is a number, not a text in quotes; write a text in quotes",
			"5:3: license.roots = \"" + goodKey + "\": the same key is on row 3 already; keep one"}},
		{"board says nothing", "hardware = \"board\"", []string{
			"1:1: site.timezone: missing; write timezone = \"Europe/Rome\" or where the panel hangs: schedules count in it",
			"1:1: door: missing; write a section [[door]] with name, strike and safe"}},
		{"board door says nothing", "hardware = \"board\"\n[site]\ntimezone = \"UTC\"\n[[door]]", []string{
			"4:1: door.name: missing; write name = \"...\"",
			"4:1: door.strike: missing; write strike = \"gpio:<chip>/<line>\"",
			"4:1: door.safe: missing; write safe = \"fail-secure\" (locked without power) or \"fail-safe\" (released without power), as the strike is built"}},
		{"door twice", "[[door]]\nname = \"a\"\n[[door]]\nname = \"a\"", []string{"4:8: door.name = \"a\": another door has this name, on row 2; give each its own"}},
		{"door with a slash", "[[door]]\nname = \"a/b\"", []string{"2:8: door.name = \"a/b\": not a name; write 1 to 32 letters, digits, - or _, such as front-door"}},
		{"pulse out of range", "[[door]]\nname = \"a\"\npulse = \"99ms\"\n[[door]]\nname = \"b\"\npulse = \"61s\"", []string{
			"3:9: door.pulse = \"99ms\": out of range; write 100ms to 1m0s", "6:9: door.pulse = \"61s\": out of range; write 100ms to 1m0s"}},
		{"one key for two doors", "[[door]]\nname = \"a\"\nopen_digit = \"2\"\n[[door]]\nname = \"b\"", []string{
			"4:1: door.open_digit: key 2 opens another door already, on row 3; give each door its own key"}},
		{"held open", "[[door]]\nname = \"a\"\nheld_open_after = \"1s\"", []string{"3:19: door.held_open_after = \"1s\": out of range; write 5s to 1h0m0s, or 0s for never"}},
		{"one line used twice", door + "contact = \"gpio:c/1\"", []string{"8:11: door.contact = \"gpio:c/1\": this line is door.strike on row 6 already; give each its own line"}},
		{"lines", door + "[inputs]\nfire = \"17\"\ntamper = \"gpio:c/2,low\"\nservice = \"gpio:c/3,pull-up,pull-down\"\n", []string{
			"9:8: inputs.fire = \"17\": not a GPIO line; write \"gpio:<chip>/<line>\", such as \"gpio:pinctrl-bcm2835/17,active-low\"",
			"10:10: inputs.tamper = \"gpio:c/2,low\": has the option low that is not known, or given twice; use active-low, and one of pull-up, pull-down, pull-off",
			"11:11: inputs.service"}},
		{"strike with a pull resistor", "[[door]]\nname = \"a\"\nstrike = \"gpio:c/1,pull-up\"", []string{
			"3:10: door.strike = \"gpio:c/1,pull-up\": an output has no pull resistor; delete ,pull-up"}},
		{"readers of a board", door + `[[reader]]
name = "a"
door = "a"
kind = "sim"
[[reader]]
name = "b"
door = "a"
kind = "mfrc522"
device = "0.0"
baud = 9600
[[reader]]
name = "c"
door = "a"
kind = "keypad"
device = "event0"
[[reader]]
name = "d"
door = "a"
direction = "through"
`, []string{
			`11:8: reader.kind = "sim": not one of the values; write "mfrc522", "keypad", "scanner-hid" or "scanner-serial"`,
			`16:10: reader.device = "0.0": not an SPI port; write "SPI0.0" for bus 0, chip select 0`,
			`17:8: reader.baud = 9600: only a scanner-serial has a speed; delete the key`,
			`22:10: reader.device = "event0": not a device file; write "/dev/input/by-id/..."`,
			`23:1: reader.kind: missing; write kind = "mfrc522", "keypad", "scanner-hid" or "scanner-serial"`,
			`26:13: reader.direction = "through": not one of the values; write "in" or "out"`}},
		{"readers share a device", door + "[[reader]]\nname=\"b\"\ndoor=\"a\"\nkind=\"keypad\"\ndevice=\"/dev/k\"\n[[reader]]\nname=\"b\"\ndoor=\"a\"\nkind=\"keypad\"\ndevice=\"/dev/k\"", []string{
			"14:6: reader.name = \"b\": another reader has this name, on row 9; give each its own",
			"17:8: reader.device = \"/dev/k\": another reader uses this device, on row 12; give each its own"}},
		{"buttons", "[[button]]\nlabel = \"x\"\n[[button]]\nnumber = 1\ntarget = \"101\"\n[[button]]\nnumber = 1\naccount = \"pbx\"\ntarget = \"1 1\"\n[[button]]\nnumber=3\ntarget=\"sip:a b@c\"", []string{
			"1:1: button.number: missing; write number = 1 for the first",
			"5:10: button.target = \"101\": not a SIP address; write \"sip:user@host\", with :port and ;transport=udp or tcp where needed; a number alone needs account = \"...\"",
			"7:10: button.number = 1: another button has this number, on row 4; give each its own",
			"8:11: button.account = \"pbx\": no account has this name; write a section [[sip.account]] with this name",
			"9:10: button.target = \"1 1\": not a number; write what the account dials, such as 101 or +390612345",
			"12:8: button.target = \"sip:a b@c\": not a SIP address"}},
		{"accounts", "[[sip.account]]\nname = \"a\"\nregistrar = \"pbx\"\n[[sip.account]]\nname = \"a\"\nregistrar = \"sips:pbx\"\nuser = \"u\"\n[[sip.account]]\nname=\"c\"\nregistrar = \"sip:pbx;lr\"\nuser=\"u\"", []string{
			"1:1: sip.account.user: missing; write user = \"...\" as the provider gave it",
			"3:13: sip.account.registrar = \"pbx\": not a SIP address; write \"sip:pbx.example.org\", with :port and ;transport=udp, tcp or tls where needed",
			"5:8: sip.account.name = \"a\": another account has this name, on row 2; give each its own",
			"6:13: sip.account.registrar = \"sips:pbx\": sips is written in another way here; write \"sip:host;transport=tls\"",
			"10:13: sip.account.registrar = \"sip:pbx;lr\": has a parameter that is not known"}},
		{"listen", "[web]\nlisten = \"localhost\"\n[sip]\nlisten = \"panel:5060\"\nring_timeout = \"1h\"", []string{
			"2:10: web.listen = \"localhost\": not an address with a port; write an address and a port, such as \"127.0.0.1:8080\"",
			"4:10: sip.listen = \"panel:5060\": not an IP address of this host; write an address and a port, such as \"0.0.0.0:5060\"",
			"5:16: sip.ring_timeout = \"1h\": out of range; write 5s to 5m0s"}},
		{"port", "[web]\nlisten = \"127.0.0.1:99999\"", []string{"2:10: web.listen = \"127.0.0.1:99999\": not a port; write a port from 0 to 65535; 0 takes a free one"}},
		{"certificate alone", "[web]\nhosts = [\"https://x\"]\n[web.tls]\ncertificate = \"c\"", []string{
			"2:10: web.hosts = \"https://x\": not a host name; write it without scheme and port, such as \"panel.example.org\"",
			"4:15: web.tls.certificate = \"c\": there is no key with it; write key = \"...\" as well"}},
		{"two certificates", "[web.tls]\nself_signed = true\ncertificate = \"c\"\nkey = \"k\"", []string{
			"2:15: web.tls.self_signed = true: a certificate is given as well; keep self_signed, or certificate and key"}},
		{"uplink", "[uplink]\nbroker = \"mqtt://u:hunter2@h\"\nsite = \"a/b\"\nca = \"x\"\nheartbeat = \"1s\"", []string{
			"2:10: uplink.broker = \"***\": user and password do not belong into the address; write user = \"...\" and password_file = \"...\"",
			"3:8: uplink.site = \"a/b\": not a part of a topic; write 1 to 64 letters, digits, ., - or _, such as via-roma-12",
			"5:13: uplink.heartbeat = \"1s\": out of range; write 2s to 10m0s"}},
		{"authority without TLS", "[uplink]\nbroker = \"mqtt://h\"\nca = \"x\"", []string{"3:6: uplink.ca = \"x\": it is only for mqtts; write broker = \"mqtts://...\", or delete ca"}},
		{"hub without broker", "[uplink]\nhub = true", []string{"2:7: uplink.hub = true: a hub is reached through a broker, and none is given; write broker = \"mqtts://...\""}},
		{"keys", "[license]\nroots = [\"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcH\",\n\"11qY\", \"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\"]", []string{
			"2:10: license.roots = \"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcH\": not a whole public key",
			"3:1: license.roots = \"11qY\": not a public key; write \"ed25519:\" and the 43 characters that doorlicense keygen printed",
			"3:9: license.roots = \"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\": not a whole public key"}},
		{"access", "[access]\npolicy = \"strict\"\nguesses_a_day = 9\nempty_at = \"4:00\"\ninside = \"yes\"", []string{
			"2:10: access.policy = \"strict\": not one of the values; write \"open\" or \"secure\"",
			"3:17: access.guesses_a_day = 9: out of range; write a number from 10 to 1000",
			"4:12: access.empty_at = \"4:00\": not a time of day; write it as \"04:00\"",
			"5:10: access.inside = \"yes\": not one of the values; write \"granted\" or \"opened\""}},
		{"journal", "[journal]\nmax_size = \"256 MB\"", []string{"2:12: journal.max_size = \"256 MB\": not a size; write it as \"256MiB\""}},
		{"journal too large", "[journal]\nmax_size = \"65GiB\"", []string{"2:12: journal.max_size = \"65GiB\": out of range; write \"1MiB\" to \"64GiB\""}},
		{"control character", "[site]\nname = \"a\\u0007\"", []string{"2:8: site.name = \"a\\a\": has a control character in it; write one line of text"}},
		{"panel's name", "[site]\npanel = \"" + strings.Repeat("é", 21) + "\"", []string{"2:9: site.panel = \"" + strings.Repeat("é", 21) + "\": 42 bytes; write a name of at most 40 bytes, such as \"Stairs A\""}},
		{"language", "[site]\nlanguage = \"English\"", []string{"2:12: site.language = \"English\": not a language; write it as \"en\" or \"pt-BR\""}},
		{"local time", "[site]\ntimezone = \"Local\"", []string{"2:12: site.timezone = \"Local\": unknown time zone"}},
		{"secret in an unknown key", "[uplink]\npasswrd = \"hunter2\"", []string{"2:1: uplink.passwrd: unknown key; did you mean password?"}},
		{"secret of the wrong type", "[uplink]\nuser = \"u\"\npassword = 4711", []string{"3:12: uplink.password = ***: it is a number, not a text in quotes; write a text in quotes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := Parse("f", []byte(c.text))
			got := problems.Error()
			if len(c.want) == 0 && len(problems) > 0 {
				t.Errorf("got %s", got)
			}
			rest := got
			lines := 0
			for _, want := range c.want {
				if regexp.MustCompile(`^\d+:\d+: `).MatchString(want) {
					lines++
					want = "f:" + want
				}
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					if strings.Contains(got, want) {
						t.Errorf("out of order: %s\nin %s", want, got)
					} else {
						t.Errorf("missing: %s\nin %s", want, got)
					}
					continue
				}
				rest = after
			}
			if lines != len(problems) {
				t.Errorf("%d problems, want %d: %s", len(problems), lines, got)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "4711") {
				t.Errorf("a secret is told: %s", got)
			}
		})
	}
}

// TestBrokenPageSettingsKeepThePageOnLoopback: a page must come up to show the mistakes, and must not come up in clear
// where everybody can reach it.
func TestBrokenPageSettingsKeepThePageOnLoopback(t *testing.T) {
	for _, text := range []string{
		"[web]\nlisten = \"0.0.0.0:80\"",
		"[web]\nlisten = \"0.0.0.0:80\"\n[web.tls]\ncertificate = \"c\"",
		"[web]\nlisten = \"0.0.0.0:80\"\n[web.tls]\nself_signed = yes",
	} {
		c, problems := Parse("f", []byte(text))
		if len(problems) == 0 || !c.Web.Listen.Addr().IsLoopback() {
			t.Errorf("%q: page at %s, problems %v", text, c.Web.Listen, problems)
		}
	}
	c, problems := Parse("f", []byte("[web]\nlisten = \"127.0.0.1:0\"\n[site]\nlanguage = \"?\""))
	if len(problems) != 1 || c.Web.Listen.Port() != 0 {
		t.Errorf("a mistake elsewhere moved the page to %s: %v", c.Web.Listen, problems)
	}
}

func TestLoadTellsWhatIsWrongWithFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	missing := filepath.Join(dir, "missing")
	if _, err := Load(missing); err == nil || err.Error() != "cannot read configuration "+missing+": no such file or directory; name another file with --config, or leave it out for simulated hardware" {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	large := write("large", strings.Repeat("# long\n", maxFile/7+1))
	if c, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") || c.Hardware != Simulated {
		t.Errorf("large file: %v", err)
	}
	for name, x := range map[string]struct{ file, want string }{
		"missing":   {missing, "no such file; make it: one line, readable by the program's user only"},
		"directory": {dir, "is a directory; write the path of a file with one line"},
		"empty":     {write("empty", "\n"), "does not hold one line of text; write the secret, and nothing else, into it"},
		"two lines": {write("two", "a\nb\n"), "does not hold one line of text; write the secret, and nothing else, into it"},
		"large":     {write("largesecret", strings.Repeat("x", maxSecret+1)), "it is larger than 4096 bytes; write the path of a file with one line"},
	} {
		file := write("config", fmt.Sprintf("[uplink]\nuser = \"u\"\npassword_file = %q\n", x.file))
		_, err := Load(file)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Row != 3 || problems[0].Column != 17 ||
			problems[0].Key != "uplink.password_file" || !strings.HasSuffix(problems[0].String(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	c := Default()
	c.Uplink.Password = NewSecret("hunter2")
	j, err := json.Marshal(c.Uplink)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "uplink", c.Uplink, "password", c.Uplink.Password)
	printed := []string{string(j), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, c.Uplink.Password), fmt.Sprintf(verb, c.Uplink), fmt.Sprintf(verb, &c.Uplink))
	}
	for _, p := range printed {
		if strings.Contains(p, "hunter2") || strings.Contains(p, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("printed: %s", p)
		}
	}
	if got := fmt.Sprint(c.Uplink.Password, NewSecret("")); got != "*** " {
		t.Errorf("got %q", got)
	}
	if got := c.Uplink.Password.Reveal(); got != "hunter2" || !c.Uplink.Password.IsSet() || NewSecret("").IsSet() {
		t.Errorf("got %q", got)
	}
}

func TestMistakesAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"unknown keys":     strings.Repeat("[[door]]\nx=1\ny=2\nz=3\nq=4\n", 30) + strings.Repeat("[[reader]]\nx=1\ny=2\nz=3\n", 60),
		"broken rows":      strings.Repeat("a b\n", 10_000),
		"many doors":       strings.Repeat("[[door]]\n", 10_000),
		"deep list":        "roots = " + strings.Repeat("[", 100_000),
		"deep keys":        strings.Repeat("a.", 100_000) + "a = 1",
		"unended text":     "data = \"\"\"\n" + strings.Repeat("x\n", 10_000),
		"unended list":     "[license]\nroots = [\n" + strings.Repeat("\"x\",\n", 10_000),
		"many broken ends": strings.Repeat("a = [\n", 10_000),
	} {
		_, problems := Parse("f", []byte(text))
		if len(problems) == 0 || len(problems) > maxProblems {
			t.Errorf("%s: %d problems", name, len(problems))
		}
		if n := len(problems.Error()); n > 100_000 {
			t.Errorf("%s: %d bytes of problems", name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("a = [1,\n{b = 'c'}]\n[x.y]\n[[x.z]]\n\"q\" = \"\"\"\n\"\"\""))
	f.Add([]byte("[site\nname = \"x\n[[door]]\npulse = 3s"))
	f.Add([]byte("\ufeff[uplink]\r\npassword = \"hunter2\"\r\nbroker=\"mqtt://[::1]:1\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		c, problems := Parse("f", text)
		for i, p := range problems {
			if p.Row < 1 || p.Column < 1 || p.Cause == "" || i > 0 && p.Row < problems[i-1].Row {
				t.Errorf("problem %+v", p)
			}
		}
		if len(c.Doors) == 0 || c.Site.TimeZone == nil || !c.Web.Listen.IsValid() || !c.SIP.Listen.IsValid() {
			t.Errorf("config %+v", c)
		}
		if !c.Web.TLS.On() && !c.Web.Listen.Addr().IsLoopback() {
			t.Errorf("page in clear at %s", c.Web.Listen)
		}
	})
}
