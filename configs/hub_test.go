package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestDefaultIsAHubThatNeedsNothing(t *testing.T) {
	h := DefaultHub()
	if h.Data != "./hub-data" || h.KeysDir != "hub-data/keys" || h.Mail.Server != "" {
		t.Errorf("data %q, keys %q, mail %q", h.Data, h.KeysDir, h.Mail.Server)
	}
	if h.Web.Listen.String() != "127.0.0.1:8090" || h.Web.TLS.On() {
		t.Errorf("page at %s, TLS %v", h.Web.Listen, h.Web.TLS.On())
	}
	if h.MQTT.Broker != "" || h.MQTT.Own.Listen.String() != "0.0.0.0:8883" || h.Enroll.Listen.String() != "0.0.0.0:8884" {
		t.Errorf("%+v %+v", h.MQTT, h.Enroll)
	}
}

func TestTheShippedHubIsTheDefaultOne(t *testing.T) {
	h, err := LoadHub("hub.toml")
	if err != nil {
		t.Fatal(err)
	}
	if want := DefaultHub(); !reflect.DeepEqual(h, want) {
		t.Errorf("the sample says something else than the defaults:\n%+v\n%+v", h, want)
	}
	text, err := os.ReadFile("hub.toml")
	if err != nil {
		t.Fatal(err)
	}
	open := regexp.MustCompile(`(?m)^#(\[|[a-z_]+ +=)`).ReplaceAllString(string(text), "$1")
	if open == string(text) {
		t.Error("hub.toml has nothing to uncomment")
	}
	if _, problems := ParseHub("hub.toml", []byte(open)); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestTheHubsPageListsEveryKey(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "hub.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	known := parseHub("", []byte("[[sms]]\n[[hook]]\n[[retention]]\n")).known
	for _, section := range []string{"web", "web.tls", "enroll", "mqtt", "license", "mail", "sms", "hook", "retention"} {
		delete(known, section)
	}
	for key := range known {
		if !documented[key] {
			t.Errorf("docs/hub.md has no row for %s", key)
		}
	}
	for key := range documented {
		if !known[key] && !strings.HasPrefix(key, "doorhub_") { // those are metrics
			t.Errorf("docs/hub.md has a row for %s, which is no key", key)
		}
	}
}

func TestEverythingWrittenForAHubArrives(t *testing.T) {
	h, problems := ParseHub("hub.toml", []byte(`
name = "Rossi Doors"
data = "/var/lib/doorhub"
keys_dir = "/etc/doorhub/keys"
names = ["Hub.Example.org", "192.168.1.10"]
[web]
listen = ":8443"
hosts = ["doors.example.org"]
[enroll]
listen = "[::]:9884"
address = "hub.example.org:884"
[mqtt]
broker = "mqtts://broker.example.org"
ca = "/etc/doorhub/broker.pem"
user = "hub"
password = "s3cret"
revocation_list = "/srv/broker/revoked.pem"
[license]
roots = ["`+goodKey+`"]
[mail]
server = "mail.example.org"
tls = "tls"
user = "doors"
password = "p"
from = "doors@example.org"
ca = "/ca.pem"
[[sms]]
name = "first"
kind = "twilio"
url = "https://sms.example.org/2010"
account = "AC1"
secret = "q"
from = "+390612345"
[[sms]]
name = "second"
url = "http://127.0.0.1:9/send"
body = '{"to":"{to}","text":"{text}"}'
type = "application/json"
headers = ["X-Api-Key: {token}", "Accept: application/json"]
receipt = "messages.0.id"
[[hook]]
name = "desk"
url = "https://desk.example.org/doors"
secret = "r"
events = ["door.forced", "tamper."]
[[retention]]
days = 365
[[retention]]
kind = "access."
days = 30
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if h.Name != "Rossi Doors" || h.Data != "/var/lib/doorhub" || h.KeysDir != "/etc/doorhub/keys" || h.Names[0] != "hub.example.org" || len(h.Names) != 2 {
		t.Errorf("%+v", h)
	}
	if h.Web.Listen.String() != "0.0.0.0:8443" || !h.Web.TLS.SelfSigned || h.Web.Hosts[0] != "doors.example.org" {
		t.Errorf("%+v", h.Web)
	}
	if h.Enroll.Listen.String() != "[::]:9884" || h.Enroll.Address != "hub.example.org:884" {
		t.Errorf("%+v", h.Enroll)
	}
	if m := h.MQTT; m.Broker != "mqtts://broker.example.org:8883" || m.CA != "/etc/doorhub/broker.pem" || m.User != "hub" || m.Password.Reveal() != "s3cret" || m.RevocationList != "/srv/broker/revoked.pem" {
		t.Errorf("%+v", h.MQTT)
	}
	if m := h.Mail; m.Server != "mail.example.org" || m.Port != 465 || m.TLS != "tls" || m.User != "doors" || m.Password.Reveal() != "p" || m.From != "doors@example.org" || m.CA != "/ca.pem" {
		t.Errorf("%+v", m)
	}
	if s := h.SMS; len(s) != 2 || s[0].Kind != "twilio" || s[0].Secret.Reveal() != "q" || s[0].Account != "AC1" || s[0].From == "" ||
		s[1].Kind != "template" || s[1].URL == "" || s[1].Body == "" || s[1].Type != "application/json" ||
		strings.Join(s[1].Headers, "|") != "X-Api-Key: {token}|Accept: application/json" || s[1].Receipt != "messages.0.id" {
		t.Errorf("%+v", s)
	}
	if k := h.Hooks; len(k) != 1 || k[0].Name != "desk" || k[0].Secret.Reveal() != "r" || len(k[0].Events) != 2 {
		t.Errorf("%+v", k)
	}
	if c := h.Retention; len(c) != 2 || c[0] != (HubRetention{Days: 365}) || c[1] != (HubRetention{"access.", 30}) {
		t.Errorf("%+v", c)
	}
	if len(h.License.Roots) != 1 {
		t.Errorf("%d roots", len(h.License.Roots))
	}
}

func TestAHubsMistakes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a panel's key":             {"hardware = \"sim\"", "x:1:1: hardware: unknown key"},
		"slip":                      {"[mqtt]\nbrokr = \"mqtts://b\"", "x:2:1: mqtt.brokr: unknown key; did you mean broker?"},
		"broker of a wrong kind":    {"[mqtt]\nbroker = \"https://b\"", "not an MQTT address; write"},
		"password in the address":   {"[mqtt]\nbroker = \"mqtts://u:hush@b\"", `x:2:10: mqtt.broker = "***": user and password do not belong`},
		"password without a user":   {"[mqtt]\nbroker = \"mqtts://b\"\npassword = \"x\"", "mqtt.user: missing"},
		"ca without a broker":       {"[mqtt]\nca = \"/ca.pem\"", "x:2:6: mqtt.ca"},
		"a list without a broker":   {"[mqtt]\nrevocation_list = \"/r.pem\"", "x:2:19: mqtt.revocation_list"},
		"a list without TLS":        {"[mqtt]\nbroker = \"mqtt://b\"\nrevocation_list = \"/r.pem\"", "it is only for mqtts"},
		"ca without TLS":            {"[mqtt]\nbroker = \"mqtt://b\"\nca = \"/ca.pem\"", "it is only for mqtts"},
		"address without port":      {"[enroll]\naddress = \"hub.example.org\"", "not a host with a port"},
		"two at one port":           {"[web]\nlisten = \"127.0.0.1:8883\"", "x:2:10: web.listen = \"127.0.0.1:8883\": the port is that of mqtt.listen"},
		"two written at one port":   {"[web]\nlisten = \"127.0.0.1:9000\"\n[enroll]\nlisten = \":9000\"", "x:4:10: enroll.listen"},
		"name that is none":         {"names = [\"https://hub\"]", "not a host name"},
		"key that is none":          {"[license]\nroots = [\"abc\"]", "not a public key"},
		"certificate without key":   {"[web.tls]\ncertificate = \"/c.pem\"", "there is no key with it"},
		"data that is no text":      {"data = 5", "write a text in quotes"},
		"not TOML":                  {"name = ", "x:1:"},
		"an empty path":             {"data = \"\"", "empty; write a path"},
		"listen without a port":     {"[mqtt]\nlisten = \"0.0.0.0\"", "not an address with a port"},
		"password twice":            {"[mqtt]\nbroker = \"mqtts://b\"\nuser = \"u\"\npassword = \"x\"\npassword_file = \"y\"", "password is given as well"},
		"an address with blanks":    {"[mqtt]\naddress = \"a b:1\"", "not a host with a port"},
		"mail without a server":     {"[mail]\nfrom = \"a@b.c\"", "mail.server: missing"},
		"mail from nobody":          {"[mail]\nserver = \"m\"", "mail.from: missing"},
		"mail from a name":          {"[mail]\nserver = \"m\"\nfrom = \"Doors <a@b.c>\"", "not an e-mail address"},
		"mail in the clear":         {"[mail]\nserver = \"m.example.org\"\ntls = \"none\"\nfrom = \"a@b.c\"", "everybody on the way reads the messages"},
		"sms in the clear":          {"[[sms]]\nname = \"a\"\nkind = \"twilio\"\nurl = \"http://sms.example.org\"", "everybody on the way reads it"},
		"sms without a text":        {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}\"", "write {to} and {text}"},
		"sms without a body":        {"[[sms]]\nname = \"a\"\nurl = \"https://s\"", "sms.body: missing"},
		"twilio with a body":        {"[[sms]]\nname = \"a\"\nkind = \"twilio\"\nurl = \"https://s\"\nbody = \"{to}\"", "has its own form"},
		"twilio with a header":      {"[[sms]]\nname = \"a\"\nkind = \"twilio\"\nheaders = [\"A: b\"]", "has its own form"},
		"twilio with a receipt":     {"[[sms]]\nname = \"a\"\nkind = \"twilio\"\nreceipt = \"id\"", "has its own form"},
		"a header without a name":   {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}{text}\"\nheaders = [\"hush\"]", `sms.headers = "***": not a header`},
		"a header of two rows":      {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}{text}\"\nheaders = [\"A: b\\r\\nC: d\"]", "sms.headers"},
		"headers in one text":       {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}{text}\"\nheaders = \"A: b\"", "a list of texts"},
		"too many headers":          {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}{text}\"\nheaders = [" + strings.Repeat("\"A: b\",", 9) + "]", "write at most 8"},
		"a receipt that is no path": {"[[sms]]\nname = \"a\"\nurl = \"https://s\"\nbody = \"{to}{text}\"\nreceipt = \"$.id\"", "not a place in JSON"},
		"two gateways of a name":    {"[[sms]]\nname = \"a\"\n[[sms]]\nname = \"a\"", "another gateway has this name, on row 2"},
		"password in a web address": {"[[hook]]\nname = \"a\"\nurl = \"https://u:hush@h\"", `hook.url = "***"`},
		"hook to nowhere":           {"[[hook]]\nname = \"a\"\nurl = \"ftp://h\"", "not a web address"},
		"hook for no events":        {"[[hook]]\nname = \"a\"\nurl = \"https://h\"\nevents = [\"*\"]", "not a kind of events"},
		"retention twice":           {"[[retention]]\ndays = 1\n[[retention]]\ndays = 2", "this kind has a period already, on row"},
		"retention without days":    {"[[retention]]\nkind = \"access.\"", "retention.days: missing"},
		"a section that is a list":  {"[[mqtt]]", "there can be one only"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := ParseHub("x", []byte(c.text))
			if len(problems) == 0 || !strings.Contains(problems.Error(), c.want) {
				t.Errorf("%v does not say %q", problems, c.want)
			}
			for _, p := range problems {
				if p.Remedy == "" && name != "not TOML" {
					t.Errorf("%v has no remedy", p)
				}
			}
			if strings.Contains(problems.Error(), "hush") {
				t.Errorf("%v tells a secret", problems)
			}
		})
	}
}

func TestPortZeroCollidesWithNothing(t *testing.T) {
	if _, problems := ParseHub("x", []byte("[web]\nlisten = \":0\"\n[enroll]\nlisten = \":0\"\n[mqtt]\nlisten = \":0\"")); len(problems) > 0 {
		t.Error(problems)
	}
	if _, problems := ParseHub("x", []byte("[web]\nlisten = \":8883\"\n[mqtt]\nbroker = \"mqtt://b\"")); len(problems) > 0 {
		t.Errorf("a broker that does not run takes no port: %v", problems)
	}
}

func TestAHubsSecretsAreReadFromTheirFiles(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "password")
	config := filepath.Join(dir, "hub.toml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret, "s3cret\n")
	write(config, "[mqtt]\nbroker = \"mqtts://b\"\nuser = \"u\"\npassword_file = \""+secret+"\"\n")
	h, err := LoadHub(config)
	if err != nil || h.MQTT.Password.Reveal() != "s3cret" {
		t.Errorf("%v, %v", h.MQTT.Password.IsSet(), err)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	var problems Problems
	if _, err := LoadHub(config); !errors.As(err, &problems) || problems[0].Cause != "no such file" {
		t.Errorf("%v", err)
	}
	if _, err := LoadHub(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "name another file") {
		t.Errorf("%v", err)
	}
}

func TestFlagsOfAHubAreCheckedAsTheFileIs(t *testing.T) {
	h := DefaultHub()
	if h, err := h.WithBroker("mqtts://b"); err != nil || h.MQTT.Broker != "mqtts://b:8883" {
		t.Errorf("%q, %v", h.MQTT.Broker, err)
	}
	if _, err := h.WithBroker("mqtts://u:hush@b"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
	if h, err := h.WithPage("0.0.0.0:0"); err != nil || !h.Web.TLS.SelfSigned {
		t.Errorf("%+v, %v", h.Web, err)
	}
	if h, err := h.WithPage("127.0.0.1:0"); err != nil || h.Web.TLS.On() {
		t.Errorf("%+v, %v", h.Web, err)
	}
	if _, err := h.WithPage("here"); err == nil {
		t.Error("no address was taken")
	}
	if moved := h.WithData("/x"); moved.KeysDir != "/x/keys" {
		t.Errorf("keys in %s", moved.KeysDir)
	}
	h.KeysDir = "/elsewhere"
	if moved := h.WithData("/x"); moved.KeysDir != "/elsewhere" {
		t.Errorf("keys in %s", moved.KeysDir)
	}
}

func FuzzParseHub(f *testing.F) {
	f.Add([]byte("[mqtt]\nbroker = \"mqtts://b\"\n"))
	f.Add([]byte("names = [\"a\"]\n[web.tls]\nself_signed = true\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, problems := ParseHub("x", text)
		if h.Data == "" || !h.Web.Listen.IsValid() || !h.MQTT.Own.Listen.IsValid() || !h.Enroll.Listen.IsValid() {
			t.Errorf("%+v is no hub", h)
		}
		if !h.Web.Listen.Addr().IsLoopback() && !h.Web.TLS.On() {
			t.Errorf("page on %s without TLS, %v", h.Web.Listen, problems)
		}
	})
}
